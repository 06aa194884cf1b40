"""How one element of a stranger's op is written for C and CUDA: the small language of `define_op(c=…, cuda=…)`.

A text such as `{x} / (1 + exp(-{x}))` has operands in braces, numbers, the operators of C, parentheses, commas, `?:`,
INFINITY and NAN, and calls of the functions that both targets define for float and double. Everything in it is of the
dtype the op computes in: `1` is `1.0f` in float32, `exp` the float32 exponential, so no operation is done in another
precision than the one declared, and `1 / 2` is a half. Nothing else is accepted: what would be found by a compiler in
generated text is found here, where the programmer can act.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from graphopt.errors import InvalidArgument

__all__ = ["CONSTANTS", "FUNCTIONS", "TOKEN", "canonical_text", "function_name"]

TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|\{(?P<operand>\w+)\}"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator>&&|\|\||[=!<>]=|[-+*/<>!?:(),])"
)
CONSTANTS = {"INFINITY": math.inf, "NAN": math.nan}
FUNCTIONS = frozenset({
    "exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p", "pow", "sqrt", "cbrt", "hypot",
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "erf", "erfc", "tgamma", "lgamma", "digamma", "trigamma", "sigmoid", "softplus", "log1mexp", "logaddexp",
    "logaddexp2", "xlogy", "fabs", "sign", "heaviside", "copysign", "nextafter", "floor", "ceil", "trunc", "rint",
    "fmod", "floor_mod", "floor_divide", "fma", "fdim", "fmax", "fmin", "maximum", "minimum", "ldexp", "frexp_mantissa",
    "j0", "j1", "jn", "y0", "y1", "yn",
})  # fmt: skip
"""What both targets define as go_<name>_f32 and go_<name>_f64."""

ALIASES = {
    "abs": "fabs", "absolute": "fabs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "gamma": "tgamma", "power": "pow",
}  # fmt: skip


def function_name(word: str) -> str | None:
    """The function a word of a text means, under the name that targets have for it; None if there is none."""
    name = ALIASES.get(word, word)
    return name if name in FUNCTIONS else None


def canonical_text(op: str, language: str, text: str, operands: Sequence[str]) -> str:
    """The text with operands by position: `{x} * 2` over operands ("x",) becomes `{0} * 2`.

    Parameters
    ----------
    op, language
        Whose text it is and for which language, for messages.
    text
        What the programmer wrote.
    operands
        The operands' names, in order.

    Raises
    ------
    InvalidArgument
        For a character, name or operand that the language above does not have, or parentheses that do not pair.
    """
    where = f"op {op}: its {language} text {text!r}"
    result, position, depth = [], 0, 0
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            raise InvalidArgument(
                f"{where} has {text[position]!r} at column {position + 1}; expected one expression of operands in "
                "braces, numbers, operators and functions"
            )
        position = token.end()
        if (name := token["operand"]) is not None:
            if name not in operands:
                listing = ", ".join(f"{{{operand}}}" for operand in operands)
                raise InvalidArgument(f"{where} has the operand {{{name}}}; the op has {listing}")
            result.append(f"{{{operands.index(name)}}}")
            continue
        _check_word(where, token["word"], text[position:].lstrip().startswith("("))
        depth += (token[0] == "(") - (token[0] == ")")
        if depth < 0:
            break
        result.append(token[0])
    if depth:
        raise InvalidArgument(f"{where} has parentheses that do not pair")
    if not text.strip():
        raise InvalidArgument(f"{where} is empty; leave it out if there is none")
    return "".join(result)


def _check_word(where: str, word: str | None, called: bool) -> None:
    if word is None or (word in CONSTANTS and not called) or (function_name(word) is not None and called):
        return
    if called:
        raise InvalidArgument(f"{where} calls {word}, which is not among the functions: {', '.join(sorted(FUNCTIONS))}")
    raise InvalidArgument(f"{where} has the name {word!r}; operands stand in braces, and functions are called")
