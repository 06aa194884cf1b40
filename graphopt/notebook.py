"""What notebooks show of compiled functions: highlighted source, and kernels as a table.

Both are the plain Python values they always were, a text and a list, that also know how to be shown. Whatever they
contain is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

__all__ = ["Listing", "Source", "html_table"]

LONGEST = 200_000  # characters that are highlighted; longer texts are shown plain
Row = TypeVar("Row")


class Source(str):
    """Generated text, highlighted in a notebook.

    Attributes
    ----------
    language
        "c" or "cuda".
    """

    language: str

    def __new__(cls, text: str, language: str) -> Source:
        source = super().__new__(cls, text)
        source.language = language
        return source

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.language

    def _repr_html_(self) -> str:
        return _highlighted(str(self), self.language) or f"<pre>{html.escape(str(self))}</pre>"


class Listing(list[Row]):
    """A list of records of one dataclass, shown as a table in a notebook."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        super().__init__(rows)

    def _repr_html_(self) -> str:
        first = self[0] if self else None
        heads = [field.name for field in fields(first)] if is_dataclass(first) else ["value"]
        rows = [[str(getattr(row, head, row)) for head in heads] for row in self]
        return html_table(heads, rows)


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts, which are escaped."""
    return f"<table>{''.join([_row('th', heads), *(_row('td', row) for row in rows)])}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _highlighted(text: str, language: str) -> str | None:
    """The text with its colours in line, so that it needs no style sheet; None where there is no Pygments."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
    except ImportError:
        return None
    if len(text) > LONGEST:
        return None
    return str(highlight(text, get_lexer_by_name(language), HtmlFormatter(noclasses=True)))
