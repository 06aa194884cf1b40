"""What may be called in a formula: a fixed list of functions, methods and attributes, and what their arguments may be.

Names that a user writes are looked up in the dicts of this file, and nowhere else.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import graphopt.tensor as T
from graphopt.dimensions import Dim
from graphopt.errors import TypeMismatch
from graphopt.op import Op
from graphopt.types import DTYPES
from graphopt.variable import Variable

__all__ = ["ATTRIBUTES", "CONSTANTS", "DTYPE_NAMES", "FUNCTIONS", "METHODS", "Callee"]

_FUNCTIONS = """
    abs absolute acos acosh add airy airy_ai airy_ai_slope airy_bi airy_bi_slope all any arange arccos arccosh
    arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere asin asinh atan atan2 atanh beta
    betainc betaln binom bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor broadcast_to cast cbrt ceil clip compress concatenate cond conj conjugate
    copysign cos cosh cosh_integral cosine_integral cosm1 count_nonzero cumprod cumsum dawsn deg2rad degrees
    diag diff digamma divide divmod dot ellipe ellipk entr eq equal erf erfc erfcinv erfcx erfi erfinv exp exp1
    exp10 exp2 expand_dims expi expit expm1 expn exprel extract eye fabs factorial fdim fix flatnonzero flip
    float_power floor floor_divide fma fmax fmin fmod fresnel fresnel_cosine fresnel_sine frexp frexp_exponent
    frexp_mantissa full gamma gammainc gammaincc gammaln gcd ge greater greater_equal gt heaviside hypot i0 i0e
    i1 i1e identity imag inc_subtensor invert isfinite isinf isnan iv ive j0 j1 jn jv k0 k0e k1 k1e kl_div kron
    kv kve lambertw lambertw_lower lcm ldexp le left_shift less less_equal lgamma linspace log log10 log1mexp
    log1p log2 log_expit log_ndtr log_softmax logaddexp logaddexp2 loggamma logical_and logical_not logical_or
    logical_xor logit logsumexp lt matmul matvec max maximum mean median min minimum mod modf moveaxis multiply
    ndtr ndtri negative neq nextafter not_equal ones ones_like outer pad percentile polygamma positive pow power
    prod psi quantile rad2deg radians ravel real reciprocal recurrence rel_entr relu remainder repeat reshape
    riemann_zeta right_shift rint roll round searchsorted set_subtensor sgn shichi sici sigmoid sign signbit sin
    sinc sine_integral sinh sinh_integral softmax softplus sort spacing spherical_jn spherical_yn sqr sqrt
    square squeeze stack std stop_gradient subtract sum swapaxes switch take take_along_axis tan tanh tile
    times_power_of_two trace transpose tri trigamma tril triu true_divide trunc unique var vecdot vecmat where
    xlog1py xlogy y0 y1 yn yv zeros zeros_like zeta
"""
_COMPOSITIONS = """
    allclose angle append array_equal array_equiv astype average batched_dot column_stack concat corrcoef cov cross
    diagonal dstack ediff1d empty empty_like flatten fliplr flipud full_like geomspace hstack indices inner isclose
    iscomplex isin isreal logspace matrix_transpose nan_to_num nanmax nanmean nanmin nanprod nanstd nansum nanvar
    permute_dims ptp rollaxis rot90 shape_padaxis shape_padleft shape_padright tensordot trapezoid vander vdot vstack
"""
_METHODS = "all any clip diagonal dot flatten max mean min prod ravel repeat round squeeze std sum swapaxes trace var"

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
DTYPE_NAMES: Mapping[str, str] = {name: name for name in DTYPES}


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return _is_integer(value) or isinstance(value, Dim)


def _is_axis(value: Any) -> bool:
    return value is None or _is_integer(value) or (isinstance(value, tuple) and all(map(_is_integer, value)))


def _is_shape(value: Any) -> bool:
    return _is_size(value) or (isinstance(value, tuple) and all(map(_is_size, value)))


def _are_values(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_value, value))


def _are_widths(value: Any) -> bool:
    return _is_integer(value) or (isinstance(value, tuple) and all(map(_are_widths, value)))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


TRUTH = "True or False"
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "axis": (_is_axis, "an integer, a tuple of integers or None"),
    "axes": (_is_axis, "a tuple of integers or None"),
    "axis1": (_is_integer, "an integer"),
    "axis2": (_is_integer, "an integer"),
    "source": (_is_integer, "an integer"),
    "destination": (_is_integer, "an integer"),
    "ddof": (_is_integer, "an integer"),
    **dict.fromkeys(("n", "N", "M", "k", "num", "offset", "repeats"), (_is_integer, "an integer")),
    "reps": (_is_shape, "an integer or a tuple of integers"),
    "tup": (_are_values, "a tuple of arrays, as in hstack((x, y))"),
    "dimensions": (_is_shape, "an integer or a tuple of integers"),
    **dict.fromkeys(("endpoint", "equal_nan", "rowvar", "bias", "increasing", "returned", "deg"), (_is_truth, TRUTH)),
    **dict.fromkeys(("return_index", "return_inverse", "return_counts"), (_is_truth, TRUTH)),
    "shift": (_is_integer, "an integer"),
    "arrays": (_are_values, "a tuple of arrays, as in concatenate((x, y))"),
    "pad_width": (_are_widths, "an integer, a pair of integers, or a tuple of pairs"),
    "keepdims": (_is_truth, TRUTH),
    "kind": (lambda value: value is None, "left out; sorting is stable"),
    "stable": (lambda value: value is None or isinstance(value, bool), "True or False"),
    "side": (lambda value: value in ("left", "right"), "'left' or 'right'"),
    "shape": (_is_shape, "an integer or a tuple of integers"),
    "dtype": (lambda value: value is None or value in DTYPES, f"one of {', '.join(DTYPES)}"),
}
"""What an argument of a name must be; every other one is a value: a variable, a number, a dimension."""


@dataclass(frozen=True)
class Callee:
    """A function of formulas.

    Attributes
    ----------
    name
        What it is called.
    function
        What it does.
    packs
        Whether all arguments after the first make one tuple, as in `x.reshape(2, 3)`.
    """

    name: str
    function: Callable[..., Any]
    packs: bool = False

    @cached_property
    def signature(self) -> inspect.Signature:
        """Names and defaults of the arguments; the operands of an op have letters for names."""
        if isinstance(self.function, Op):
            kind = inspect.Parameter.POSITIONAL_ONLY
            return inspect.Signature([inspect.Parameter("abc"[k], kind) for k in range(self.function.arity or 0)])
        return inspect.signature(self.function)

    def apply(self, arguments: tuple[Any, ...], by_name: Mapping[str, Any]) -> Any:
        """The function's value.

        Raises
        ------
        TypeMismatch
            If an argument is missing, unknown or of the wrong kind.
        """
        if self.packs and len(arguments) > 2:
            arguments = (arguments[0], arguments[1:])
        try:
            bound = self.signature.bind(*arguments, **by_name)
        except TypeError as error:
            shown = ", ".join(str(p).partition(":")[0].partition("=")[0] for p in self.signature.parameters.values())
            raise TypeMismatch(f"{self.name}({shown}): {error}") from None
        for name, value in bound.arguments.items():
            accepts, expected = _KINDS.get(name, (_is_value, "an array or a number"))
            optional = self.signature.parameters[name].default is None and value is None
            if not optional and not accepts(value):
                raise TypeMismatch(f"{self.name}: {name} must be {expected}, found {_shown(value)}")
        return self.function(*bound.args, **bound.kwargs)


def _is_value(value: Any) -> bool:
    return isinstance(value, Variable | Dim | int | float)


def _shown(value: Any) -> str:
    return str(value.type) if isinstance(value, Variable) else repr(value)[:40]


FUNCTIONS: Mapping[str, Callee] = {name: Callee(name, vars(T)[name]) for name in (_FUNCTIONS + _COMPOSITIONS).split()}
METHODS: Mapping[str, Callee] = {name: Callee(name, vars(T)[name]) for name in _METHODS.split()} | {
    "astype": Callee("astype", T.cast),
    "reshape": Callee("reshape", T.reshape, packs=True),
    "transpose": Callee("transpose", T.transpose, packs=True),
}
ATTRIBUTES: Mapping[str, Callable[[Variable], Any]] = {
    "T": T.transpose,
    "ndim": lambda x: x.ndim,
    "shape": lambda x: x.shape,
    "size": lambda x: x.size,
}
