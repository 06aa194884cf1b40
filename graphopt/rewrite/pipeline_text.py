"""The text form of pipelines: `canonicalize,fix{stabilize,cse;max=20},fuse{max=32}`.

    pipeline   = step { "," step }
    step       = word [ "{" parameters "}" ]  |  "fix" "{" pipeline [ ";" parameters ] "}"
    parameters = word "=" value { "," word "=" value }
    value      = integer | decimal | "true" | "false" | word { "+" word }

Words are letters, digits, hyphens and underscores. Space between tokens does not count.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from graphopt.errors import InvalidArgument
from graphopt.rewrite.passes import Pass

__all__ = ["parse_steps"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w-]))|(?P<word>[A-Za-z_][\w-]*)|(?P<mark>[{},;=+])|(?P<end>$))"
)


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Reader:
    """A recursive-descent parser; nesting is as deep as `fix` is nested in `fix`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[_Token] = []
        position = 0
        while not self.tokens or self.tokens[-1].kind != "end":
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                position += len(text[position:]) - len(text[position:].lstrip())
                self.fail(f"cannot read {text[position]!r}", position)
            self.tokens.append(_Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            position = found.end()
        self.next = 0

    def fail(self, what: str, position: int) -> NoReturn:
        raise InvalidArgument(f"{what} in the pipeline's text:\n  {self.text}\n  {' ' * position}^")

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self, *expected: str) -> _Token:
        token = self.token
        if token.kind not in expected and token.text not in expected:
            names = " or ".join({"word": "a name", "end": "the end"}.get(e, f"'{e}'") for e in expected)
            self.fail(f"expected {names}, found {repr(token.text) if token.text else 'the end'}", token.position)
        self.next += token.kind != "end"
        return token

    def steps(self) -> list[Pass]:
        result: list[Pass] = []
        while self.token.kind == "word":
            result.append(self.step())
            if self.token.text != ",":
                break
            self.take(",")
            if self.token.kind != "word":
                self.take("word")
        return result

    def step(self) -> Pass:
        from graphopt.rewrite.registry import find_pass
        from graphopt.rewrite.steps import Fix

        name = self.take("word")
        if name.text == Fix.name:
            self.take("{")
            body = self.steps()
            parameters = self.parameters() if self.take(";", "}").text == ";" else {}
            if set(parameters) - {"max"} or type(parameters.get("max", 1)) is not int:
                self.fail("fix has the parameter max, an integer, and no other", name.position)
            return Fix(tuple(body), **parameters)
        try:
            chosen = find_pass(name.text)
        except InvalidArgument as error:
            self.fail(str(error), name.position)
        if self.token.text != "{":
            return chosen.from_parameters({})
        self.take("{")
        try:
            return chosen.from_parameters(self.parameters())
        except InvalidArgument as error:
            self.fail(str(error), name.position)

    def parameters(self) -> dict[str, Any]:
        """`key=value, …` up to and including the closing brace."""
        found: dict[str, Any] = {}
        while True:
            key = self.take("word")
            if key.text in found:
                self.fail(f"parameter {key.text} stands twice", key.position)
            self.take("=")
            found[key.text] = self.value()
            if self.take(",", "}").text == "}":
                return found

    def value(self) -> Any:
        token = self.take("number", "word")
        if token.kind == "word":
            words = [token.text]
            while self.token.text == "+":
                self.take("+")
                words.append(self.take("word").text)
            return {"true": True, "false": False}.get("+".join(words), "+".join(words))
        return float(token.text) if set(token.text) & set(".eE") else int(token.text)


def parse_steps(text: str) -> tuple[Pass, ...]:
    """The steps a text names.

    Raises
    ------
    InvalidArgument
        Pointing at the place that cannot be read, or naming an unknown pass or parameter.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"a pipeline's text is text, found {text!r}")
    reader = _Reader(text)
    result = reader.steps()
    reader.take("end")
    return tuple(result)
