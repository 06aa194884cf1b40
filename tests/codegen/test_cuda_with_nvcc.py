"""Every generated kernel of the corpus compiles with nvcc: no warnings, no spills, within a budget of registers."""

import re
import subprocess
from functools import partial

import cuda_corpus as corpus
import pytest
from cuda_support import Case

import graphopt as go
import graphopt.tensor as T
from graphopt.runtime.nvcc import compile_cubin, find_nvcc
from graphopt.schedule.launch import Launch

pytestmark = pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc; the CUDA toolkit has it")

PROGRAMS = {
    "chains": corpus.chains,
    "chosen": corpus.chosen,
    "rows": corpus.rows,
    "row_axes": corpus.row_axes,
    "columns": corpus.columns,
    "column_axes": corpus.column_axes,
    "totals": corpus.totals,
    "reductions": corpus.reductions,
    "extremes": corpus.extremes,
    "moved": corpus.moved,
    "stacked": corpus.stacked,
    "chosen_product": corpus.chosen_product,
    "products": corpus.products,
    "product_epilogues": corpus.product_epilogues,
    "product_epilogues_64": partial(corpus.product_epilogues, "float64"),
    "products_with_vectors": corpus.products_with_vectors,
    "log_softmax": partial(corpus.log_softmax, "default"),
    "every_op": corpus.every_op,
}
REGISTERS = 80  # of a thread: three blocks of 256 share a multiprocessor
HOLDING = 128  # of one that holds 16 results of a product, or elements of a row: two blocks of 256
EXCEPTIONS = {"every_op": 96}
BOTH = ("rows", "products", "moved")  # reductions within a block, shared tiles, plain indexing
COMPILED = [
    pytest.param(name, architecture, marks=pytest.mark.long if architecture == "sm_80" and name not in BOTH else ())
    for name in PROGRAMS
    for architecture in ("sm_80", "sm_90")
]


@pytest.mark.parametrize(("name", "architecture"), COMPILED)
def test_kernels_compile_without_warnings_or_spills(name, architecture):
    source = PROGRAMS[name]().source
    compiled = compile_cubin(source.flat, architecture)
    launches = [launch for launch in source.launches if isinstance(launch, Launch)]
    assert compiled.registers.keys() == {instance.name for launch in launches for instance in launch.instances}
    assert {kernel: spilled for kernel, spilled in compiled.spills.items() if spilled} == {}
    holding = {i.name for launch in launches if launch.form == "product" or launch.held for i in launch.instances}
    for kernel, used in compiled.registers.items():
        assert used <= (HOLDING if kernel in holding else EXCEPTIONS.get(name, REGISTERS)), kernel
    assert max(compiled.shared.values()) <= 16 * 1024


def test_what_is_stored_together_is_stored_by_one_instruction(tmp_path):
    x, b = go.variable("x", "float32[n, m]"), go.variable("b", "float32[m]")
    source = Case([x, b], T.softmax(x * b, axis=1) * b).source
    (tmp_path / "kernel.cu").write_text(source.flat)
    command = [find_nvcc(), "-ptx", "-std=c++17", "--fmad=false", "-arch=sm_90", "kernel.cu", "-o", "kernel.ptx"]
    subprocess.run(command, cwd=tmp_path, check=True)
    entries = [part for part in (tmp_path / "kernel.ptx").read_text().split(".entry ")[1:] if "_wide(" in part[:80]]
    assert {part.partition("(")[0].split("_")[-2] for part in entries} >= {"shared", "long"}
    for part in entries:
        assert set(re.findall(r"st\.global[.\w]*", part)) <= {"st.global.v4.f32", "st.global.v4.u32"}
        if "_shared_wide(" in part[:80]:  # what a row holds there comes back as a whole, too
            assert "ld.shared.v4.f32" in part
