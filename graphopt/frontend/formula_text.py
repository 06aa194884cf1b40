"""The text of a formula: its words and marks, and the one place where errors that point into it are put together."""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple, NoReturn

from graphopt.errors import GraphoptError, InvalidArgument, UnsupportedExpression

__all__ = ["CONSTANTS", "LONGEST", "Text", "Token", "tokens"]

LONGEST = 10_000  # characters of a formula
WINDOW = 100  # characters of a formula that an error shows

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>'[A-Za-z0-9_]*'|"[A-Za-z0-9_]*")
      | (?P<mark>\.\.\.|\*\*|//|==|!=|<=|>=|<<|>>|[-+*/%@<>&|^~()\[\],=.;:])""",
    re.VERBOSE | re.ASCII,
)
CONSTANTS: dict[str, bool | None] = {"True": True, "False": False, "None": None}
_ADVICE = {
    "and": "write a & b", "or": "write a | b", "not": "write ~a", "if": "write where(condition, a, b)",
    "else": "write where(condition, a, b)",
}  # fmt: skip


class Token(NamedTuple):
    """A word or mark, and where it stands."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Text:
    """A formula's text, and errors that point at a place in it.

    Raises
    ------
    InvalidArgument
        If it is no text, empty, or longer than a formula may be.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise InvalidArgument(f"a formula is a text such as 'log(sum(exp(x)))', found {text!r}")
        if len(text) > LONGEST:
            raise InvalidArgument(f"a formula has at most {LONGEST} characters, found {len(text)}")
        if not text.strip():
            raise InvalidArgument("the formula is empty; write for instance 'log(sum(exp(x)))'")
        self.text = text

    def message(self, what: str, position: int) -> str:
        """What is wrong, and beneath it the formula with a caret under the place."""
        first = max(0, min(position - WINDOW // 2, len(self.text) - WINDOW))
        shown = self.text[first : first + WINDOW]
        before, after = "…" * (first > 0), "…" * (first + WINDOW < len(self.text))
        # A caret stands right only under text without line breaks and what a terminal would obey.
        line = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in shown)
        return f"{what}\n  {before}{line}{after}\n  {' ' * (len(before) + position - first)}^"

    def fail(self, what: str, position: int, kind: type[GraphoptError] = InvalidArgument) -> NoReturn:
        """Raise an error of a kind that shows the place."""
        raise kind(self.message(what, position)) from None


def tokens(text: Text) -> list[Token]:
    """The words and marks of a text, ended by one of kind "end".

    Raises
    ------
    InvalidArgument, UnsupportedExpression
        At a character that begins neither, or a word of Python's that has no meaning in a formula.
    """
    found: list[Token] = []
    position, source = 0, text.text
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            text.fail(f"cannot read {source[position]!r}; {_unreadable(source[position])}", position)
        token = Token(str(match.lastgroup), match[0], position)
        position = match.end()
        if token.kind == "space":
            continue
        if found and token.kind == "name" and found[-1].kind == "number" and found[-1].end == token.start:
            if token.text in ("j", "J"):
                text.fail("complex numbers have no meaning here", found[-1].start, UnsupportedExpression)
            text.fail(f"cannot read {found[-1].text + token.text!r}; a product is written with *", token.start)
        if token.kind == "name" and keyword.iskeyword(token.text) and token.text not in CONSTANTS:
            advice = _ADVICE.get(token.text, "formulas have names, numbers, operators, calls and assignments")
            text.fail(f"{token.text!r} has no meaning in a formula; {advice}", token.start, UnsupportedExpression)
        found.append(token)
    return [*found, Token("end", "", len(source.rstrip()))]


def _unreadable(character: str) -> str:
    if character in "'\"":
        return "texts name dtypes, such as 'float32'"
    if character.isalpha():
        return "names are made of ASCII letters, digits and _"
    return "formulas are made of names, numbers, operators, parentheses and commas"
