"""Operations in place, as saved graphs hold them."""

from suite_core import *

suite(
    "inplace",
    globals(),
    """
    activations :: y = x + 0; y.relu_(); y.add_(1).mul_(2).sub_(0.5).div_(3); y.sigmoid_() :: f(3, 4)
    nn_inplace :: nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Hardswish(inplace=True), nn.SiLU(inplace=True)) :: f(2, 4)
    more_activations :: y = x + 0; F.elu_(y); F.leaky_relu_(y); F.hardtanh_(y, -0.5, 0.5); F.selu_(y) :: f(3, 4)
    arithmetic :: y = x.clone(); y += 1; y *= x; y -= 0.5; y /= 2; y //= 0.1; y **= 2; y :: f(3, 4)
    unary :: y = x.clone(); y.abs_().sqrt_().exp_().log_().neg_().cos_().sin_().tanh_().floor_().round_(); y :: pos(3, 4)
    comparison :: y = x.clone(); y.eq_(2); y :: ties(3, 4)
    comparison_tensor :: z = x.clone(); z.ne_(y); z :: (ties(3, 4), ties(3, 4))
    bitwise :: y = x.clone(); y &= 6; y |= 1; y ^= 3; y :: i(3, 4)
    logical :: z = x.clone(); z.logical_and_(y); z :: (b(3, 4), b(3, 4))
    clamp :: y = x.clone(); y.clamp_(-0.5, 0.5).clamp_min_(-0.2).clamp_max_(0.3); y :: f(3, 4)
    masked_fill :: z = x.clone(); z.masked_fill_(y, 2.0); z :: (f(3, 4), b(3, 4))
    index_add :: w = x.clone(); w.index_add_(0, y, z); w :: (f(4, 3), t([0, 2]), f(2, 3))
    index_copy :: w = x.clone(); w.index_copy_(0, y, z); w :: (f(4, 3), t([0, 2]), f(2, 3))
    index_put :: w = x.clone(); w.index_put_((y,), z); w :: (f(4, 3), t([0, 2]), f(2, 3))
    scatter :: w = x.clone(); w.scatter_(1, y, z); w :: (f(2, 3), t([[0], [2]]), f(2, 1))
    scatter_add :: w = x.clone(); w.scatter_add_(1, y, z); w :: (f(2, 3), t([[0, 0], [2, 1]]), f(2, 2))
    lerp_addcmul :: z = x.clone(); z.lerp_(y, 0.3).addcmul_(x, y).addcdiv_(x, y.abs() + 1); z :: (f(3, 4), f(3, 4))
    view_write :: y = x.clone(); v = y.view(-1); v[2] = 7.0; y :: f(3, 4)
    transpose_write :: y = x.clone(); y.t()[0] = 1.0; y :: f(3, 4)
    shape_in_place :: y = x.clone(); y.unsqueeze_(0).squeeze_(0).transpose_(0, 1); y + 1 :: f(3, 4)
    input_mutated :: x.add_(1) :: f(3, 4)
    fill_zero :: y = x.clone(); y[0].zero_(); y[1].fill_(4); y :: f(3, 4)
    """,
)
