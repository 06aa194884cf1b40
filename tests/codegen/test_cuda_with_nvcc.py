"""Every generated kernel of the corpus compiles with nvcc: no warnings, no spills, within a budget of registers."""

from functools import partial

import cuda_corpus as corpus
import pytest

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
MORE = 128  # 16 results to a thread in large tiles, or elements of a row: two blocks of 256, or one of 512
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
    bodies = {instance.name: instance.body for launch in launches for instance in launch.instances}
    for kernel, used in compiled.registers.items():
        holds = bodies[kernel] in ("product", "registers")
        assert used <= (MORE if holds else EXCEPTIONS.get(name, REGISTERS)), kernel
    assert max(compiled.shared.values()) <= 16 * 1024
