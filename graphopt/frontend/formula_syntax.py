"""How formulas are written: the grammar, and the precedence of operators.

    program    = { name "=" expression ";" } expression [ ";" ]
    expression = Python's binary and unary operators, with Python's precedence, over operands
    operand    = number | name | 'text' | tuple | "(" expression ")" | function "(" arguments ")"
               | operand "." name [ "(" arguments ")" ] | operand "[" index { "," index } "]"
    index      = expression | "..." | [ expression ] ":" [ expression ] [ ":" [ expression ] ]

The parser keeps no tree: it hands each part to a `Meaning` as soon as it is complete. What names and operators mean is
that object's business (`graphopt.frontend.formula`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

from graphopt.errors import UnsupportedExpression
from graphopt.frontend.formula_text import CONSTANTS, Text, Token, tokens

__all__ = ["NESTING", "Meaning", "Part", "parse"]

NESTING = 100  # levels of parentheses, calls and exponents
MODULES = ("np", "numpy")  # np.exp(x) is exp(x)
_LEVELS = {mark: level for level, marks in enumerate(("== != < <= > >=", "|", "^", "&", "<< >>", "+ -", "* / // % @"))
           for mark in marks.split()}  # fmt: skip
_COMPARISON = 0


class Part(NamedTuple):
    """The value of a part of the text."""

    value: Any
    start: int
    end: int


class Meaning(Protocol):
    """What the parser's findings mean. `start` and `end` delimit the part of the text that a value stands for."""

    def declares(self, name: str) -> bool: ...
    def name(self, token: Token) -> Any: ...
    def number(self, token: Token) -> Any: ...
    def unary(self, mark: Token, operand: Part) -> Any: ...
    def binary(self, mark: Token, left: Part, right: Part) -> Any: ...
    def call(self, function: Token, arguments: Sequence[Part], by_name: dict[str, Part], end: int) -> Any: ...
    def attribute(self, owner: Part, name: Token) -> Any: ...
    def method(
        self, owner: Part, name: Token, arguments: Sequence[Part], by_name: dict[str, Part], end: int
    ) -> Any: ...
    def item(self, owner: Part, index: Part) -> Any: ...
    def assign(self, name: Token, part: Part) -> None: ...


def parse(text: Text, meaning: Meaning) -> Part:
    """Read a program and return what its last expression stands for.

    Raises
    ------
    InvalidArgument, UnsupportedExpression
        Where the text breaks the grammar.
    """
    return _Parser(text, meaning).program()


class _Parser:
    """Recursive over nesting alone: operators of one level are gone through in a loop."""

    def __init__(self, text: Text, meaning: Meaning) -> None:
        self.text = text
        self.meaning = meaning
        self.tokens = tokens(text)
        self.next = 0
        self.depth = 0

    # --- tokens ------------------------------------------------------------------------------------------------
    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def at(self, *marks: str) -> bool:
        return self.token.kind == "mark" and self.token.text in marks

    def take(self) -> Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def expect(self, mark: str) -> Token:
        if not self.at(mark):
            self.unexpected(repr(mark))
        return self.take()

    def unexpected(self, expected: str) -> NoReturn:
        found = repr(self.token.text) if self.token.text else "the end"
        hint = "; == compares, and only a name of its own is assigned to" if self.at("=") else ""
        self.text.fail(f"expected {expected}, found {found}{hint}", self.token.start)

    # --- grammar -----------------------------------------------------------------------------------------------
    def program(self) -> Part:
        while True:
            name = self.token
            if name.kind == "name" and self.tokens[self.next + 1].text == "=" and name.text not in CONSTANTS:
                self.next += 2
                part = self.expression()
                if not self.at(";"):
                    self.unexpected("an operator or ';' and what is made of this")
                self.take()
                self.meaning.assign(name, part)
                continue
            part = self.expression()
            if self.at(";"):
                semicolon = self.take()
                if self.token.kind != "end":
                    self.text.fail(
                        "only the last part may be without a name; write name = … before ';'", semicolon.start
                    )
            if self.token.kind != "end":
                self.unexpected("an operator or the end")
            return part

    def expression(self) -> Part:
        """Binary operators, by the precedence of each: a stack of what waits for its right operand."""
        operands: list[Part] = [self.unary()]
        marks: list[Token] = []
        while self.token.kind == "mark" and self.token.text in _LEVELS:
            level = _LEVELS[self.token.text]
            while marks and _LEVELS[marks[-1].text] >= level:
                if level == _COMPARISON == _LEVELS[marks[-1].text]:
                    self.text.fail("comparisons do not chain; write (a < b) & (b < c)", self.token.start)
                self.reduce(operands, marks)
            marks.append(self.take())
            operands.append(self.unary())
        while marks:
            self.reduce(operands, marks)
        return operands[0]

    def reduce(self, operands: list[Part], marks: list[Token]) -> None:
        right, left = operands.pop(), operands.pop()
        operands.append(Part(self.meaning.binary(marks.pop(), left, right), left.start, right.end))

    def unary(self) -> Part:
        prefixes = []
        while self.at("-", "+", "~"):
            prefixes.append(self.take())
        part = self.postfix()
        if self.at("**"):
            mark = self.take()
            self.enter(mark)
            exponent = self.unary()
            self.depth -= 1
            part = Part(self.meaning.binary(mark, part, exponent), part.start, exponent.end)
        for mark in reversed(prefixes):
            part = Part(self.meaning.unary(mark, part), mark.start, part.end)
        return part

    def postfix(self) -> Part:
        part = self.operand()
        while self.at(".", "(", "["):
            mark = self.take()
            if mark.text == "(":
                self.text.fail(
                    "only functions and methods are called, by their names", mark.start, UnsupportedExpression
                )
            if mark.text == "[":
                self.enter(mark)
                index = self.subscript()
                end = self.expect("]").end
                self.depth -= 1
                part = Part(self.meaning.item(part, index), part.start, end)
                continue
            if self.token.kind != "name":
                self.unexpected("the name of a method or an attribute")
            name = self.take()
            if self.at("("):
                arguments, by_name, end = self.arguments()
                part = Part(self.meaning.method(part, name, arguments, by_name, end), part.start, end)
            else:
                part = Part(self.meaning.attribute(part, name), part.start, name.end)
        return part

    def subscript(self) -> Part:
        """What stands in brackets: a number, a slice, an ellipsis, or several of them as a tuple."""
        start = self.token.start
        items = [self.index()]
        comma = False
        while self.at(","):
            comma = True
            self.take()
            if not self.at("]"):
                items.append(self.index())
        if not self.at("]"):
            self.unexpected("an operator, ':', ',' or ']'")
        return Part(tuple(items) if comma else items[0], start, self.token.start)

    def index(self) -> Any:
        if self.at("..."):
            self.take()
            return Ellipsis
        bounds: list[Any] = [None, None, None]
        colons = 0
        while True:
            if not self.at(":", ",", "]"):
                bounds[colons] = self.expression().value
            if not self.at(":") or colons == 2:
                break
            self.take()
            colons += 1
        return slice(*bounds) if colons else bounds[0]

    def operand(self) -> Part:
        token = self.token
        if self.at("("):
            return self.group()
        if token.kind not in ("number", "name", "text"):
            self.unexpected("a number, a name or '('")
        self.take()
        if token.kind == "number":
            return Part(self.meaning.number(token), token.start, token.end)
        if token.kind == "text":
            return Part(token.text[1:-1], token.start, token.end)
        if token.text in CONSTANTS:
            return Part(CONSTANTS[token.text], token.start, token.end)
        if token.text in MODULES and self.at(".") and not self.meaning.declares(token.text):
            self.take()
            if self.token.kind != "name":
                self.unexpected("the name of a function")
            token = self.take()
        if self.at("("):
            arguments, by_name, end = self.arguments()
            return Part(self.meaning.call(token, arguments, by_name, end), token.start, end)
        return Part(self.meaning.name(token), token.start, token.end)

    def group(self) -> Part:
        """Parentheses: around one expression, or a tuple if there is a comma or nothing."""
        opening = self.take()
        self.enter(opening)
        items: list[Part] = []
        comma = self.at(")")
        while not self.at(")"):
            items.append(self.expression())
            if not self.at(","):
                break
            comma = True
            self.take()
        if not self.at(")"):
            self.unexpected("an operator, ',' or ')'")
        end = self.take().end
        self.depth -= 1
        return Part(tuple(item.value for item in items) if comma else items[0].value, opening.start, end)

    def arguments(self) -> tuple[list[Part], dict[str, Part], int]:
        self.enter(self.expect("("))
        positional: list[Part] = []
        by_name: dict[str, Part] = {}
        while not self.at(")"):
            name = self.token
            if name.kind == "name" and self.tokens[self.next + 1].text == "=":
                if name.text in by_name:
                    self.text.fail(f"argument {name.text} is given twice", name.start)
                self.next += 2
                by_name[name.text] = self.expression()
            elif by_name:
                self.text.fail("an argument without a name stands after one with a name", name.start)
            else:
                positional.append(self.expression())
            if not self.at(")", ","):
                self.unexpected("an operator, ',' or ')'")
            if self.at(","):
                self.take()
        end = self.take().end
        self.depth -= 1
        return positional, by_name, end

    def enter(self, mark: Token) -> None:
        self.depth += 1
        if self.depth > NESTING:
            self.text.fail(
                f"more than {NESTING} levels of nesting; name a part, as in 's = exp(x); s / sum(s)'", mark.start
            )
