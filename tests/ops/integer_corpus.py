"""Every operation on integers at its edges, as one program, and what `docs/semantics.md` says it gives.

The meanings are written over Python's integers, which never overflow, and wrapped around once: an oracle that shares
nothing with NumPy, C, or the package. Run as a script, this compiles the C text with the undefined-behaviour sanitizer
and compares: a process of its own, because the sanitizer ends it.
"""

import itertools
import math
import operator
import sys
import warnings
from functools import cache

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.ops import TABLE
from graphopt.types import DTYPES

INTEGERS = [dtype for dtype in DTYPES if "int" in dtype]
FLOATS = ["float32", "float64"]
SANITIZED = go.Options(
    threads=1,
    flags=["-O0", "-g", "-std=c11", "-ffp-contract=off", "-fPIC", "-fno-math-errno"],
    extra_flags=["-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all"],
)
PIPELINES = {"numpy": "none", "c": "default", "cuda-emulated": "cse,fuse"}
LENGTH = 400


def wrap(value, dtype):
    """An integer modulo a power of two, as a dtype holds it."""
    if dtype == "bool":
        return bool(value)
    limits = np.iinfo(dtype)
    return (value - int(limits.min)) % (1 << limits.bits) + int(limits.min)


def quotient(a, b):
    return a // b if b else 0


def truncated_remainder(a, b):
    return int(math.copysign(1, a)) * (abs(a) % abs(b)) if b else 0


def power(a, b):
    if b >= 0:
        return pow(a, b, 1 << 64) if abs(a) > 1 else a**b if a >= 0 or b % 2 == 0 else -1
    return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)


def shifted(function, bits):
    """Counts outside 0 … bits - 1, negative ones included, shift everything out."""
    return lambda a, b: function(a, b) if 0 <= b < bits else function(a, 1000)


def meanings(bits):
    """What each op on integers of so many bits gives, before it wraps around."""
    return {
        "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "square": lambda a: a * a,
        "negative": operator.neg, "absolute": abs, "sign": lambda a: (a > 0) - (a < 0), "invert": operator.invert,
        "bitwise_count": lambda a: abs(a).bit_count(),
        "maximum": max, "minimum": min, "fmax": max, "fmin": min,
        "floor_divide": quotient, "remainder": lambda a, b: a % b if b else 0, "fmod": truncated_remainder,
        "power": power, "gcd": math.gcd, "lcm": math.lcm,
        "left_shift": shifted(operator.lshift, bits), "right_shift": shifted(operator.rshift, bits),
        "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor,
        "equal": operator.eq, "not_equal": operator.ne, "less": operator.lt, "less_equal": operator.le,
        "greater": operator.gt, "greater_equal": operator.ge, "logical_not": operator.not_,
        "logical_and": lambda a, b: bool(a) and bool(b), "logical_or": lambda a, b: bool(a) or bool(b),
        "logical_xor": lambda a, b: bool(a) != bool(b),
    }  # fmt: skip


REDUCTIONS = {"sum": sum, "prod": math.prod, "max": max, "min": min}


def conversion(x, dtype):
    """A float as an integer: truncated, or what stands for what does not fit."""
    if dtype == "bool":
        return x != 0
    half = 2**63 if dtype.endswith("64") else 2**31
    if dtype in ("uint32", "uint64") and x >= half:
        return int(x) if x < 2 * half else 0
    return wrap(int(x) if -half <= x < half else -half, dtype)


def integers(dtype):
    """The edges of a dtype, and what lies beside them."""
    low, high, bits = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max), np.iinfo(dtype).bits
    wanted = [low, low + 1, high - 1, high, -7, -2, -1, 0, 1, 2, 3, 7, bits - 1, bits, bits + 1, low // 2, high // 2]
    return [value for value in dict.fromkeys(wanted) if low <= value <= high]


def floats(dtype):
    """Around every power of two at which an integer dtype ends; what is no number; fractions; subnormals."""
    ends = [sign * 2.0**bits for bits in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (1, -1)]
    found = [0.0, -0.0, 0.5, -0.5, 0.99, -0.99, 1.5, -1.5, 300.0, 1e-40, 3e38, np.nan, -np.nan, np.inf, -np.inf]
    for end in ends:
        exact = np.array(end, dtype)
        found += [float(v) for v in (exact, np.nextafter(exact, exact * 0), np.nextafter(exact, exact * 2))]
    return [*found, 1e300, -1e300] if dtype == "float64" else found


@cache
def arguments():
    """An array for each input: all pairs of edges, in two inputs of one length for each dtype."""
    arrays = {}
    for dtype in INTEGERS:
        pairs = list(itertools.islice(itertools.cycle(itertools.product(integers(dtype), repeat=2)), LENGTH))
        arrays[f"a_{dtype}"], arrays[f"b_{dtype}"] = (np.array(column, dtype) for column in zip(*pairs, strict=True))
    for dtype in FLOATS:
        arrays[f"a_{dtype}"] = np.resize(np.array(floats(dtype), dtype), LENGTH)
    return arrays


def program():
    """Inputs, and an output for each op and dtype."""
    inputs = [go.variable(name, f"{array.dtype}[n]") for name, array in arguments().items()]
    by_name = {variable.name: variable for variable in inputs}
    outputs = {}
    for dtype in INTEGERS:
        operands = by_name[f"a_{dtype}"], by_name[f"b_{dtype}"]
        for name in meanings(64):
            op = TABLE[name]
            outputs[f"{name} {dtype}"] = op(*operands[: op.arity])
        for name in REDUCTIONS:
            outputs[f"{name} {dtype}"] = getattr(T, name)(operands[0])
        outputs[f"matmul {dtype}"] = operands[0] @ operands[1]
    for dtype in [*INTEGERS, *FLOATS]:
        for target in [*INTEGERS, "bool", *(FLOATS if dtype in INTEGERS else ["float32"])]:
            outputs[f"cast {dtype} {target}"] = T.cast(by_name[f"a_{dtype}"], target)
    return inputs, outputs


def expected(name, dtype):
    """What the output of that name and dtype is."""
    arrays = arguments()
    what, of, *_ = name.split()
    a = arrays[f"a_{of}"].tolist()
    if what == "cast":
        convert = wrap if of in INTEGERS and dtype not in FLOATS else conversion
        if dtype in FLOATS:
            with np.errstate(all="ignore"):
                return arrays[f"a_{of}"].astype(dtype)
        return np.array([convert(value, dtype) for value in a], dtype)
    if what in REDUCTIONS:
        return np.array(wrap(REDUCTIONS[what](a), dtype), dtype)
    b = arrays[f"b_{of}"].tolist()
    if what == "matmul":
        return np.array(wrap(sum(x * y for x, y in zip(a, b, strict=True)), dtype), dtype)
    function = meanings(np.iinfo(of).bits)[what]
    rows = zip(a, b, strict=True) if TABLE[what].arity == 2 else ((value,) for value in a)
    return np.array([wrap(function(*row), dtype) for row in rows], dtype)


def disagreements(target, options=None):
    """What a target gives that is not expected, one line for each output."""
    inputs, outputs = program()
    arrays = arguments()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = go.function(inputs, outputs, target=target, pipeline=PIPELINES[target], options=options)(**arrays)
    wrong = []
    for name, value in found.items():
        wanted = expected(name, value.dtype.name)
        bad = ~np.equal(value, wanted) & ~((value != value) & (wanted != wanted))
        if bad.any():
            k = int(np.argmax(bad))
            pair = [
                arrays[f"{letter}_{name.split()[1]}"][k] for letter in "ab" if f"{letter}_{name.split()[1]}" in arrays
            ]
            wrong.append(f"{name} of {pair}: {value.flat[k]!r}, not {wanted.flat[k]!r} ({bad.sum()} of {bad.size})")
    return wrong


def overflowing():
    """A sum in plain C, whose overflow the sanitizer has to find."""
    x = go.variable("x", "int32[n]")
    f = go.function([x], x + x, options=SANITIZED)
    include = '#include "integer.h"\n'
    damaged = f.source.replace(include, include + "#define go_add_i32(a, b) ((a) + (b))\n")
    return f.with_source(damaged)(np.array([2**31 - 1], "int32"))


if __name__ == "__main__":
    sys.exit("\n".join(disagreements("c", SANITIZED)) or 0 if sys.argv[1:] != ["overflow"] else str(overflowing()))
