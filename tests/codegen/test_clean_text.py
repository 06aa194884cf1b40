"""Generated C is clean: no warning of gcc or clang, nothing that sanitizers or valgrind object to; right in each build.

A part of the corpus in every run, all of it in long runs. `c_corpus.py` says what is in it.
"""

import shutil
from pathlib import Path

import c_corpus
import numpy as np
import pytest
from c_apart import run_apart, runs_apart
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.templates
from graphopt.errors import CompilationFailed
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.graph.union import label, union
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline
from graphopt.runtime.toolchain import default_flags, find_compiler
from graphopt.testing import strategies

STRICT = ("-Wall", "-Wextra", "-Werror")
IEEE = ("-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
SANITIZERS = ("-O1", "-g", *IEEE, "-fopenmp", "-march=native", "-fsanitize=address,undefined,float-cast-overflow",
              "-fno-sanitize-recover=all")  # fmt: skip
FOR_VALGRIND = ("-O2", "-g", *IEEE, "-fopenmp-simd")  # no instructions that it may not know yet
EVERY = 48


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


needs_sanitizers = pytest.mark.skipif(
    "libasan" not in str(shutil.which("gcc") and list(Path("/usr/lib").glob("**/libasan.so*"))),
    reason="gcc's sanitizers are not installed",
)

BUILDS = [
    pytest.param("gcc", lambda flags: flags, marks=needs("gcc"), id="gcc"),
    pytest.param("clang", lambda flags: flags, marks=needs("clang"), id="clang"),
    pytest.param(
        "gcc",
        lambda flags: (*(f for f in flags if f not in ("-fopenmp", "-DGO_HAVE_LIBMVEC")), "-fopenmp-simd"),
        marks=needs("gcc"), id="gcc without OpenMP and libmvec",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def sample():
    return c_corpus.batches(c_corpus.corpus(EVERY))


@pytest.fixture(scope="module")
def everything():
    return c_corpus.batches(c_corpus.corpus())


def build(compiler, change):
    flags = change(default_flags(find_compiler(compiler)))
    return Options(compiler=compiler, flags=flags, extra_flags=STRICT, threads=2)


@pytest.mark.parametrize("compiler, change", BUILDS)
def test_a_part_of_the_corpus_compiles_without_a_warning_and_agrees_with_the_interpreter(sample, compiler, change):
    assert sum(c_corpus.check(batch, build(compiler, change)) for batch in sample) > 50


@pytest.mark.long
@pytest.mark.parametrize("compiler, change", BUILDS)
def test_all_of_the_corpus_compiles_without_a_warning_and_agrees_with_the_interpreter(everything, compiler, change):
    assert sum(c_corpus.check(batch, build(compiler, change)) for batch in everything) > 2000


@needs("gcc")
def test_a_warning_in_a_template_is_an_error_here(tmp_path):
    edit_template(tmp_path, "c/integer.h.j2", "return i < 0 ? 0 : i < n ? i : n - 1;", "int64_t unused; return i;")
    x = go.variable("x", "float64[n]")
    options = Options(compiler="gcc", extra_flags=STRICT, templates=[tmp_path])
    with pytest.raises(CompilationFailed, match="unused"):
        go.function([x], x + 1, options=options)


# --- sanitizers and valgrind ------------------------------------------------------------------------------------------


def run_batch(batch, folder, flags, prefix=(), compared=True):
    """Run the programs of a batch that need no Python, as one, and compare results if asked; how many there are."""
    kept = []
    for program in batch:
        graph = program.graph.copy()
        Pipeline.named("default").run(graph)
        if runs_apart(graph):
            kept.append((program, graph))
    if not kept:
        return 0
    joint = union([graph for _, graph in kept]) if len(batch) > 1 else kept[0][1]
    called = label if len(batch) > 1 else lambda name, _: name
    arguments = {called(name, k): v for k, (program, _) in enumerate(kept) for name, v in program.arguments.items()}
    found, _ = run_apart(joint, arguments, folder, ["gcc"], flags, prefix)
    for k, (program, _) in enumerate(kept if compared else ()):
        expected = program.expected()
        for name in program.graph.results:
            tolerance = c_corpus.TOLERANCE.get(str(expected[name].dtype), 0.0)
            scale = np.abs(expected[name][np.isfinite(expected[name])]).max(initial=1.0) if tolerance else 0.0
            np.testing.assert_allclose(
                found[called(name, k)], expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=program.name
            )
    return len(kept)


@needs_sanitizers
def test_a_part_of_the_corpus_is_clean_under_address_and_undefined_behaviour_sanitizers(sample, tmp_path):
    programs = [program for batch in sample for program in batch]
    assert run_batch(c_corpus.batches(programs[::2])[0], tmp_path, SANITIZERS) > 5


@pytest.mark.long
@needs_sanitizers
def test_all_of_the_corpus_is_clean_under_address_and_undefined_behaviour_sanitizers(everything, tmp_path):
    assert sum(run_batch(batch, tmp_path, SANITIZERS) for batch in everything) > 600


def random_programs(count):
    """Programs that Hypothesis draws, with arguments; the same ones each time.

    What they compute is compared elsewhere, by those who know how well conditioned it is.
    """
    found = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def collect(data):
        outputs = data.draw(st.lists(strategies.expressions(dtypes=("float64", "float32")), min_size=1, max_size=4))
        inputs = [v for v in topological(outputs) if v.op.name == "input"]
        graph = Graph.from_outputs(inputs, {f"out{k}": value for k, value in enumerate(outputs)})
        found.append(c_corpus.Program(str(graph), graph, data.draw(strategies.inputs_for(graph))))

    collect()
    return found


@needs_sanitizers
@pytest.mark.parametrize("count", [20, pytest.param(600, marks=pytest.mark.long)])
def test_random_programs_are_clean_under_address_and_undefined_behaviour_sanitizers(count, tmp_path):
    batches = c_corpus.batches(random_programs(count))
    assert sum(run_batch(batch, tmp_path, (*SANITIZERS, *STRICT), compared=False) for batch in batches) > count / 2


@pytest.mark.long
@needs("valgrind")
def test_a_part_of_the_corpus_is_clean_under_valgrind(sample, tmp_path):
    memcheck = ("valgrind", "--quiet", "--error-exitcode=9")
    assert sum(run_batch(batch, tmp_path, FOR_VALGRIND, memcheck) for batch in sample) > 10


def edit_template(folder, name, old, new):
    text = Path(str(graphopt.templates.__path__[0]), name).read_text("utf-8")
    assert text.count(old) == 1
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


@needs_sanitizers
@pytest.mark.parametrize(
    "old, new, message",
    [
        ("return i < 0 ? 0 : i < n ? i : n - 1;", "return n > 0 ? i : 0;", "heap-buffer-overflow"),
        ("return ({{ T }})(0u - ({{ W }})a);", "return ({{ T }})-a;", "negation of"),
    ],
    ids=["an access outside", "an overflow"],
)
def test_the_sanitizers_find_what_is_planted(old, new, message, tmp_path):
    edit_template(tmp_path, "c/integer.h.j2", old, new)
    x, i = go.variable("x", "float64[n]"), go.variable("i", "int64[m]")
    graph = Graph.from_outputs([x, i], {"y": x[i] + 1, "z": -i})
    graph.set_outputs({name: node for name, node in graph.outputs.items() if name not in graph.checks})
    arguments = {"x": np.arange(5.0), "i": np.array([5 if "buffer" in message else np.iinfo(np.int64).min])}
    with pytest.raises(AssertionError, match=message):
        run_apart(graph, arguments, tmp_path, ["gcc"], SANITIZERS, templates=[tmp_path])
