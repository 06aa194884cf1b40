"""The rules as a list to look through: every rule of every available pass, a row each, and the page made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphopt.rewrite.passes import RulePass
from graphopt.rewrite.registry import available_passes, find_pass
from graphopt.rewrite.rules import Rule
from graphopt.rewrite.standard_measures import STANDARD

__all__ = ["COMMAND", "Row", "catalogue", "markdown", "rules_of"]

COMMAND = "python -m graphopt rules --markdown > docs/rules.md"
"""What writes the page `docs/rules.md` anew."""

BUILT_IN = "graphopt.passes"

CONFLUENCE = Path(__file__).resolve().parents[2] / "experiments" / "results" / "confluence.json"
"""What `experiments/confluence.py` measured. A checkout has it; an installed package does not."""

_HEAD = f"""# Rules

Every rewrite rule of the toolkit's own passes, in the order in which they are tried. What the claims mean is in
`graphopt/rewrite/claims.py`; each rule is tested against its claim, and on what its measure counts, of which every
firing makes less. A pass ends by an order of measures: no firing makes more of one before it makes less of another.
Rules without a measure are ended by conditions of their own. How many graphs different orders of rules and nodes end
in was measured by `experiments/confluence.py`; operands of commutative ops count in any order.

Written by `{COMMAND}`.
"""


@dataclass(frozen=True)
class Row:
    """One rule, seen from outside.

    Attributes
    ----------
    name, claim, algebra, source, tags
        The rule's, as texts.
    step
        The name of the pass that applies it.
    summary
        What that pass does, in a line.
    built_in
        Whether the pass is one of the toolkit's own.
    measure
        The measures that the rule states, the one that decides first standing first.
    order
        Those by which its pass comes to an end.
    """

    name: str
    step: str
    claim: str
    algebra: str
    source: str
    tags: tuple[str, ...]
    summary: str = ""
    built_in: bool = True
    measure: str = ""
    order: str = ""

    def has(self, word: str) -> bool:
        """Whether a word stands in the name, algebra, source or tags, in upper or lower case."""
        text = " ".join((self.name, self.algebra, self.source, *self.tags))
        return word.casefold() in text.casefold()

    def claims(self, claim: str) -> bool:
        """Whether the claim is of that kind (`stabilizes`), or is that very one (`Stabilizes(8)`)."""
        wanted, own = claim.casefold(), self.claim.casefold()
        return wanted in (own, own.partition("(")[0])


def catalogue() -> list[Row]:
    """Every rule of every available pass: passes in the order of `available_passes`, rules in the order of trial."""
    return [
        Row(
            name=rule.name,
            step=name,
            claim=str(rule.claim),
            algebra=" ".join(rule.algebra.split()),
            source=rule.source,
            tags=rule.tags,
            summary=(kind.__doc__ or "").strip().partition("\n")[0],
            built_in=kind.__module__.startswith(f"{BUILT_IN}."),
            measure=" > ".join(measure.name for measure in rule.measures),
            order=" > ".join(measure.name for measure in kind.order) if issubclass(kind, RulePass) else "",
        )
        for name, kind in available_passes().items()
        for rule in rules_of(name)
    ]


def rules_of(name: str) -> Sequence[Rule]:
    """The rules of a pass in the order in which they are tried; none if the pass does not work by rules.

    Raises
    ------
    InvalidArgument
        If there is no pass of that name.
    """
    kind = find_pass(name)
    return tuple(kind().rules) if issubclass(kind, RulePass) else ()


def markdown(rows: Iterable[Row]) -> str:
    """The page of the toolkit's own rules: a table for each pass.

    Rules of installed packages are left out, so that the page is the same everywhere.
    """
    tables: dict[str, list[Row]] = {}
    for row in rows:
        if row.built_in:
            tables.setdefault(row.step, []).append(row)
    measured = json.loads(CONFLUENCE.read_text(encoding="utf-8")) if CONFLUENCE.exists() else {"passes": {}}
    orders = {step: _orders(found, measured["seeds"]) for step, found in measured["passes"].items()}
    sections = [_section(step, found, orders.get(step, "")) for step, found in tables.items()]
    return "\n".join([_HEAD, *sections, _measures()])


def _measures() -> str:
    """The table of measures. What is counted how is in their definitions."""
    lines = [_line(("measure", "counts")), _line(("---", "---"))]
    lines += [_line((measure.name, measure.meaning)) for measure in STANDARD]
    return "\n".join(["## Measures", "", "`graphopt/rewrite/standard_measures.py` defines them.", "", *lines, ""])


def _orders(measured: Mapping[str, Any], seeds: int) -> str:
    """Whether the rules of a pass are confluent, as a sentence and a list of the programs on which they are not."""
    count, apart = measured["programs"], measured["apart"]
    text = f"\n\nConfluent on {count - len(apart)} of the {count} programs it fires on, in {seeds} shuffled orders."
    return text + "".join(
        f"\n- {found['forms']} normal forms of {_code(program)}, by {', '.join(map(_code, found['rules']))}"
        for program, found in apart.items()
    )


def _section(step: str, rows: Sequence[Row], orders: str) -> str:
    counted = f"{len(rows)} {'rule' if len(rows) == 1 else 'rules'}"
    ends = f" Ends by {rows[0].order}." if rows[0].order else ""
    columns = ["rule", "claim", "measure", "algebra", *(["source"] if any(row.source for row in rows) else [])]
    lines = [
        f"## {step}",
        f"{rows[0].summary} {counted}.{ends}{orders}",
        "",
        _line(columns),
        _line(["---"] * len(columns)),
    ]
    for row in rows:
        cells = [_code(row.name), _code(row.claim), row.measure, _code(row.algebra), row.source.replace("|", "\\|")]
        lines.append(_line(cells[: len(columns)]))
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """A text in a code span of a table, where a bar would end the cell."""
    return f"`{text}`".replace("|", "\\|")
