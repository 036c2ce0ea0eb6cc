"""One tensor in, one out, element by element."""

from suite_core import *

suite(
    "unary",
    globals(),
    """
    abs :: x.abs() :: f(3, 4)
    acos :: x.acos() :: unit(3, 4)
    acosh :: x.acosh() :: pos(3, 4, low=1.0, high=5.0)
    asin :: x.asin() :: unit(3, 4)
    asinh :: x.asinh() :: f(3, 4)
    atan :: x.atan() :: f(3, 4)
    atanh :: x.atanh() :: unit(3, 4)
    ceil :: x.ceil() :: f(3, 4) * 3
    cos :: x.cos() :: f(3, 4)
    cosh :: x.cosh() :: f(3, 4)
    deg2rad :: x.deg2rad() :: f(3, 4) * 90
    rad2deg :: x.rad2deg() :: f(3, 4)
    digamma :: x.digamma() :: pos(3, 4)
    erf :: x.erf() :: f(3, 4)
    erfc :: x.erfc() :: f(3, 4)
    erfinv :: x.erfinv() :: unit(3, 4)
    exp :: x.exp() :: f(3, 4)
    exp2 :: x.exp2() :: f(3, 4)
    expm1 :: x.expm1() :: f(3, 4)
    floor :: x.floor() :: f(3, 4) * 3
    frac :: x.frac() :: f(3, 4) * 3
    i0 :: x.i0() :: f(3, 4)
    isfinite :: x.isfinite() :: special()
    isinf :: x.isinf() :: special()
    isnan :: x.isnan() :: special()
    isneginf :: x.isneginf() :: special()
    isposinf :: x.isposinf() :: special()
    lgamma :: x.lgamma() :: pos(3, 4)
    log :: x.log() :: pos(3, 4)
    log10 :: x.log10() :: pos(3, 4)
    log1p :: x.log1p() :: pos(3, 4)
    log2 :: x.log2() :: pos(3, 4)
    logit :: x.logit() :: pos(3, 4, low=0.1, high=0.9)
    logit_eps :: x.logit(eps=0.2) :: pos(3, 4, low=0.0, high=1.0)
    mvlgamma :: x.mvlgamma(2) :: pos(3, 4, low=1.5)
    nan_to_num :: x.nan_to_num() :: special()
    nan_to_num_values :: x.nan_to_num(nan=1.0, posinf=2.0, neginf=-2.0) :: special()
    neg :: -x :: f(3, 4)
    polygamma :: torch.polygamma(2, x) :: pos(3, 4)
    positive :: +x :: f(3, 4)
    reciprocal :: x.reciprocal() :: pos(3, 4)
    round :: x.round() :: special()
    round_decimals :: x.round(decimals=2) :: f(3, 4)
    round_negative_decimals :: x.round(decimals=-1) :: f(3, 4) * 100
    rsqrt :: x.rsqrt() :: pos(3, 4)
    sgn :: x.sgn() :: special() :: wrong={"all": "sign(NaN) is NaN there, 0 in PyTorch"}
    sigmoid :: x.sigmoid() :: f(3, 4)
    sign :: x.sign() :: special() :: wrong={"all": "sign(NaN) is NaN there, 0 in PyTorch"}
    signbit :: x.signbit() :: special()
    sin :: x.sin() :: f(3, 4)
    sinc :: x.sinc() :: f(3, 4)
    sinh :: x.sinh() :: f(3, 4)
    sqrt :: x.sqrt() :: pos(3, 4)
    square :: x.square() :: f(3, 4)
    tan :: x.tan() :: f(3, 4)
    tanh :: x.tanh() :: f(3, 4)
    trunc :: x.trunc() :: f(3, 4) * 3
    entr :: torch.special.entr(x) :: pos(3, 4)
    erfcx :: torch.special.erfcx(x) :: f(3, 4)
    i1 :: torch.special.i1(x) :: f(3, 4)
    ndtr :: torch.special.ndtr(x) :: f(3, 4)
    """,
)
