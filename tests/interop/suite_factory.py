"""Tensors made from nothing, from shapes, from random numbers; and what changes type or layout."""

from suite_core import *

suite(
    "factory",
    globals(),
    """
    arange :: torch.arange(5) + x :: f(5)
    arange_float :: torch.arange(0.5, 3.0, 0.5) + x :: f(5)
    arange_step :: torch.arange(10, 0, -2) * x :: i(5)
    linspace :: torch.linspace(-1, 1, 5) + x :: f(5)
    logspace :: torch.logspace(0, 2, 4) + x :: f(4)
    eye :: torch.eye(3) + x :: f(3, 3)
    eye_m :: torch.eye(2, 4) + x :: f(2, 4)
    full :: torch.full((2, 3), 1.5) + x :: f(2, 3)
    full_int :: torch.full((2, 3), 4) + x :: i(2, 3)
    full_like :: torch.full_like(x, 2.5) :: f(2, 3) :: nodim=True
    full_like_dtype :: torch.full_like(x, 2, dtype=torch.int64) :: f(2, 3)
    full_infinity :: torch.full((2, 2), float("-inf")).triu(1) + x :: f(2, 2)
    ones :: torch.ones(2, 3) * x :: f(2, 3)
    ones_like :: torch.ones_like(x) :: i(2, 3)
    zeros :: torch.zeros(2, 3) + x :: f(2, 3)
    zeros_like :: torch.zeros_like(x) :: b(2, 3)
    empty_fill :: torch.empty(2, 3).fill_(2.0) + x :: f(2, 3)
    empty_like_shape :: torch.empty_like(x) :: f(2, 3) :: check="shapes"
    new_zeros :: x.new_zeros(2, 2) :: f(3)
    new_ones :: x.new_ones(4) :: i(3)
    new_full :: x.new_full((2, 2), 3.5) :: f(3)
    scalar_tensor :: torch.scalar_tensor(2.5) + x :: f(3)
    tensor_literal :: x * torch.tensor(3.0) :: f(3)
    hann_window :: torch.hann_window(5) * x :: f(5)
    hamming_window :: torch.hamming_window(5) * x :: f(5)
    rand_shape :: torch.rand(2, 3) + x :: f(2, 3) :: check="shapes"
    rand_like :: torch.rand_like(x) :: f(2, 3) :: check="shapes"
    randn_shape :: torch.randn(2, 3) + x :: f(2, 3) :: check="shapes"
    randn_like :: torch.randn_like(x) :: f(2, 3) :: check="shapes"
    randint_shape :: torch.randint(0, 5, (2, 3)) + x :: i(2, 3) :: check="shapes"
    randperm_shape :: torch.randperm(6) + x :: i(6) :: check="shapes"
    bernoulli :: torch.bernoulli(x) :: pos(2, 3, low=0.0, high=1.0) :: check="shapes"
    multinomial :: torch.multinomial(x, 2) :: pos(2, 3) :: check="shapes"
    normal :: torch.normal(x, 1.0) :: f(2, 3) :: check="shapes"
    dropout_training :: F.dropout(x, 0.5, training=True) :: f(2, 3) :: check="shapes"
    uniform :: x.clone().uniform_(0, 1) :: f(2, 3) :: check="shapes"
    exponential :: x.clone().exponential_() :: f(2, 3) :: check="shapes"
    fill :: x.fill_(2.0) + 1 :: f(2, 3)
    zero :: x.clone().zero_() :: f(2, 3)
    to_int :: x.to(torch.int64) :: f(2, 3) * 5 :: nodim=True
    to_int32 :: x.int() :: f(2, 3) * 5
    to_int8 :: x.to(torch.int8) :: f(2, 3) * 20
    to_uint8 :: x.to(torch.uint8) :: pos(2, 3) * 20
    to_bool :: x.bool() :: ties(2, 3)
    to_half :: x.half() :: f(2, 3) :: nodim=True
    to_bfloat16 :: x.bfloat16().float() :: f(2, 3)
    to_double :: x.double() :: f(2, 3)
    half_to_float :: x.float() * 2 :: h(2, 3)
    int_to_float :: x.float() / 2 :: i(2, 3)
    bool_to_float :: x.float() :: b(2, 3)
    type_as :: x.type_as(y) :: (i(2, 3), f(1))
    to_other :: x.to(y) :: (i(2, 3), f(1))
    to_channels_last :: x.to(memory_format=torch.channels_last) + 1 :: f(1, 3, 4, 4)
    contiguous_channels_last :: x.contiguous(memory_format=torch.channels_last) * 2 :: f(1, 3, 4, 4)
    channels_last_to_contiguous :: x.contiguous() + 1 :: cl(f(1, 3, 4, 4))
    clone_channels_last :: x.clone(memory_format=torch.channels_last).relu() :: f(2, 3, 4, 4)
    channels_last_input :: x * 2 + 1 :: cl(f(1, 3, 4, 4))
    channels_last_two :: x + y :: (cl(f(1, 3, 4, 4)), f(1, 3, 4, 4))
    channels_last_conv :: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) :: cl(f(1, 3, 6, 6)) :: no={"xnnpack": "ChannelsLastTaggedReshapePass fails"}
    channels_last_pool :: nn.MaxPool2d(2) :: cl(f(1, 3, 4, 4))
    channels_last_mean :: x.mean((2, 3)) :: cl(f(1, 3, 4, 4))
    channels_last_view :: x.flatten(1) :: cl(f(1, 3, 2, 2))
    channels_last_cat :: torch.cat([x, y], 1) :: (cl(f(1, 3, 4, 4)), cl(f(1, 2, 4, 4))) :: wrong={"portable": "cat copies as if its inputs were contiguous"}
    channels_last_norm :: nn.BatchNorm2d(3) :: cl(f(1, 3, 4, 4))
    fake_quantize :: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -128, 127) :: f(3, 4)
    fake_quantize_channel :: torch.fake_quantize_per_channel_affine(x, y, z, 0, -128, 127) :: (f(3, 4), pos(3) * 0.1, t([0, 1, -1], dtype=torch.int32))
    vander :: torch.vander(x) :: f(4)
    polar :: torch.view_as_real(torch.polar(x, y)) :: (pos(3), f(3))
    """,
)
