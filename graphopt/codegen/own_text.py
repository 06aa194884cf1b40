"""The element text that an op brings along (`Op.text`), written out for the operands and the dtype of one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphopt.errors import UnsupportedExpression
from graphopt.op import Op
from graphopt.ops.element_text import CONSTANTS, TOKEN, function_name

__all__ = ["own_text"]

SUFFIXES = {"float32": "f32", "float64": "f64"}


def own_text(op: Op, language: str, operands: Sequence[str], dtype: str, number: Callable[[float, str], str]) -> str:
    """An application of an op as the op itself writes it; empty for the ops that templates know by name.

    Parameters
    ----------
    op
        Whose text is wanted.
    language
        "c" or "cuda".
    operands
        The operands' texts: names or literals.
    dtype
        The float dtype the op computes in.
    number
        Writes a constant of a dtype.

    Raises
    ------
    UnsupportedExpression
        If the op was defined without a text for the language.
    """
    if op.text is None:
        return ""
    if language not in op.text:
        raise UnsupportedExpression(
            f"op {op.name} has no {language} text, so target {language!r} cannot compute it; give go.define_op "
            f'c="…", such as c="{{x}} / (1 + exp(-{{x}}))", or run the function with target="numpy"'
        )
    parts = []
    for token in TOKEN.finditer(op.text[language]):
        if token["operand"] is not None:
            parts.append(operands[int(token["operand"])])
        elif token["number"] is not None:
            parts.append(number(float(token["number"]), dtype))
        elif token["word"] is not None and (name := function_name(token["word"])) is not None:
            parts.append(f"go_{name}_{SUFFIXES[dtype]}")
        elif token["word"] is not None:
            parts.append(number(CONSTANTS[token["word"]], dtype))
        else:
            parts.append(token[0])
    return "".join(parts)
