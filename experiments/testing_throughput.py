"""How many random programs a second can be drawn, interpreted, rewritten, and compiled to C?

    python experiments/testing_throughput.py            # about two minutes
    python experiments/testing_throughput.py --small    # a few programs, less than a minute

Rates are graphs per second of processor time, of this process and of the compilers it starts: on a machine that does
other work, that is what repeats. Programs are those of `strategies.graphs`: of the families it draws from unless told
otherwise, and of all families.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import common
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import graphopt as go
from graphopt.graph import Graph
from graphopt.graph.union import is_joinable
from graphopt.interpret import interpret
from graphopt.testing import strategies
from graphopt.testing.pass_targets import TOGETHER, Unit

FAMILIES = {"default families": strategies.FAMILIES, "all families": strategies.EVERY}
DRAWN = {False: 600, True: 60}  # small or not
COMPILED = {False: 64, True: 4}
ALONE = {False: 16, True: 2}
STAGES = ("drawn", "drawn and interpreted", "rewritten", "in C, one by one", "in C, together")

Program = tuple[Graph, dict[str, Any]]


def processor() -> float:
    """Seconds of processor time, those of children among them."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def rate(count: int, action: Callable[[], object]) -> float:
    """How often a second something is done that is done `count` times."""
    _, seconds = common.stopwatch(action, processor)
    return count / max(seconds, 1e-3)


def draw_many(count: int, visit: Callable[[st.DataObject], object]) -> None:
    """Have Hypothesis draw that many examples."""

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data: st.DataObject) -> None:
        visit(data)

    run()


def rates(families: Sequence[str], small: bool) -> common.Record:
    """Graphs per second at every stage."""
    graphs = strategies.graphs(families=families)
    count, programs = DRAWN[small], dict[str, Program]()

    def drawn(data: st.DataObject) -> Program:
        graph = data.draw(graphs)
        return graph, data.draw(strategies.inputs_for(graph))

    def interpreted(data: st.DataObject) -> None:
        graph, arrays = drawn(data)
        interpret(graph, arrays)
        programs[str(graph)] = graph, arrays

    draw_many(20, interpreted)  # what is made once is made
    found = {
        "drawn": rate(count, lambda: draw_many(count, lambda data: data.draw(graphs))),
        "drawn and interpreted": rate(count, lambda: draw_many(count, interpreted)),
    }
    different = list(programs.values())
    pipeline = go.Pipeline.named("default")
    found["rewritten"] = rate(len(different), lambda: [pipeline.run(graph.copy()) for graph, _ in different])
    joinable = [(graph, arrays) for graph, arrays in different if is_joinable(graph)]
    some, few = joinable[: COMPILED[small]], joinable[-ALONE[small] :]
    found["in C, one by one"] = rate(len(few), lambda: compiled(few, 1))
    found["in C, together"] = rate(len(some), lambda: compiled(some, TOGETHER))
    nodes = [len(graph) for graph, _ in different]
    return {"rates": found, "different programs": len(different), "nodes in the mean": sum(nodes) / len(nodes)}


def compiled(programs: Sequence[Program], together: int) -> None:
    """Compile programs, so many in one translation unit, and run them."""
    for k in range(0, len(programs), together):
        graphs, arrays = zip(*programs[k : k + together], strict=True)
        Unit(graphs, "c").run(arrays)


def measure(small: bool) -> common.Record:
    """Rates for both sets of families, with an empty cache of compiled programs."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("GRAPHOPT_CACHE")
        os.environ["GRAPHOPT_CACHE"] = folder
        try:
            common.warm()
            sets = {name: rates(families, small) for name, families in FAMILIES.items()}
        finally:
            os.environ.pop("GRAPHOPT_CACHE") if before is None else os.environ.update(GRAPHOPT_CACHE=before)
    return common.record_of("testing_throughput", small) | {"together": TOGETHER, "sets": sets}


def draw(record: common.Record) -> Figure:
    """The rates as bars, on a logarithmic scale."""
    picture, ((axes,),) = common.figure(1, width=7.0)
    for offset, (name, found) in enumerate(record["sets"].items()):
        places = [k + 0.4 * offset for k in range(len(STAGES))]
        values = [found["rates"][stage] for stage in STAGES]
        axes.barh(places, values, height=0.38, label=name)
        for place, value in zip(places, values, strict=True):
            axes.text(value, place, f" {value:.3g}", va="center", fontsize=8)
    axes.set_yticks([k + 0.2 for k in range(len(STAGES))], STAGES, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("graphs per second of processor time")
    axes.legend(fontsize=8)
    picture.suptitle(common.caption(record), fontsize=8)
    return picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the record and the picture."""
    chosen = common.options(__doc__, "testing_throughput", arguments)
    record = measure(chosen.small)
    image = common.save(record, draw(record), chosen.output)
    for name, found in record["sets"].items():
        print(name, *(f"{stage}: {value:.3g}/s" for stage, value in found["rates"].items()), sep="\n  ")
    print(chosen.output, image)


if __name__ == "__main__":
    main()
