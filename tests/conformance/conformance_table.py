"""The whole table: every public function of `graphopt.tensor`, or why it is held against nothing."""

from types import ModuleType

from conformance_rows import ROWS as FIRST
from conformance_rows_composed import COMPOSED
from conformance_rows_special import SPECIALS

import graphopt.tensor as T
from graphopt.tensor.creation import CONSTRUCTORS
from graphopt.types import DTYPES

ROWS = [*FIRST, *COMPOSED, *SPECIALS]

ABOUT_TYPES = "its answer is about types, and no array"
WITHOUT = {
    "elementwise": "a type rule for go.define_op, not a function of arrays",
    "tensor": "makes a variable, like T.matrix",
    **dict.fromkeys(("e", "inf", "nan", "newaxis", "pi"), "a number"),
    **dict.fromkeys(DTYPES, "a dtype"),
    **dict.fromkeys(("broadcast_shapes", "can_cast", "finfo", "iinfo", "isdtype", "result_type"), ABOUT_TYPES),
    **dict.fromkeys(("iscomplexobj", "isrealobj"), ABOUT_TYPES),
    "check": "its value is its first operand; what it does is tested in tests/tensor/test_checks.py",
    "cond": "NumPy has none; tested in tests/tensor/test_control.py",
}
"""Names that are held against nothing, each with the reason. Constructors of variables go without saying."""


def public_names() -> set[str]:
    """What users may call: `T.exp`, `T.linalg.norm` as `linalg.norm`; a function of two names by the shorter one."""
    names = set(T.__all__) - set(CONSTRUCTORS)
    modules = {name for name in names if isinstance(getattr(T, name), ModuleType)}
    inner = {
        f"{name}.{own}"
        for name in modules
        for own in getattr(T, name).__all__
        if getattr(getattr(T, name), own) is not getattr(T, own, None)
    }
    return (names - modules) | inner
