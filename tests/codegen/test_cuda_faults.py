"""Bugs planted in templates and in decisions are noticed: by wrong results, guard pages, barriers that threads miss."""

from importlib.resources import files

import cuda_fault_programs as programs
import pytest
from cuda_fault_list import FAULTS, Edit
from cuda_instances import Forced
from cuda_planting import ORDERS, noticed

QUICK = [fault for fault in FAULTS if fault.is_quick]
SEEN = [fault for fault in FAULTS if not fault.survives]
UNSEEN = [fault for fault in FAULTS if fault.survives]
FEW = [ORDERS[2], ORDERS[5], ORDERS[0]]


def by_name(fault):
    return fault.what


@pytest.mark.parametrize("fault", QUICK, ids=by_name)
def test_a_planted_fault_is_noticed(fault, tmp_path):
    assert noticed(fault, tmp_path, FEW, first=True)


@pytest.mark.long
@pytest.mark.parametrize("fault", SEEN, ids=by_name)
def test_every_planted_fault_is_noticed(fault, tmp_path):
    assert noticed(fault, tmp_path, ORDERS, first=True)


@pytest.mark.long
@pytest.mark.parametrize("fault", UNSEEN, ids=by_name)
def test_what_is_said_to_change_nothing_changes_nothing(fault, tmp_path):
    assert noticed(fault, tmp_path, ORDERS) == {}


@pytest.mark.parametrize("program", dict.fromkeys(fault.program for fault in QUICK))
def test_the_programs_of_these_faults_pass_undamaged(program, monkeypatch):
    _passes(program, FEW[:1], monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("program", programs.PROGRAMS)
def test_all_programs_pass_undamaged(program, monkeypatch):
    _passes(program, ORDERS, monkeypatch)


def _passes(program, drivers, monkeypatch):
    case, inputs = program()
    forced = Forced(case, monkeypatch)
    for arrays in inputs:
        forced.check(arrays, drivers, every=True)


def test_each_fault_is_one_change_of_what_there_is():
    names = [fault.what for fault in FAULTS]
    assert len(names) == len(set(names)) and {fault.program for fault in FAULTS} == set(programs.PROGRAMS)
    for fault in FAULTS:
        if isinstance(fault, Edit):
            text = files("graphopt.templates").joinpath(fault.template).read_text(encoding="utf-8")
            assert text.count(fault.old) == 1 and fault.new != fault.old, fault.what
        else:
            assert hasattr(fault.owner, fault.name), fault.what


def test_every_template_of_kernels_has_faults():
    templates = {p.name for p in files("graphopt.templates").joinpath("cuda").iterdir() if p.name.endswith(".cu.j2")}
    damaged = {fault.template.rpartition("/")[2] for fault in FAULTS if isinstance(fault, Edit)}
    assert templates - damaged == {"program.cu.j2"}  # which has no statements of its own
