"""Finding compilers, and remembering what they can do."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from graphopt.errors import CompilationFailed, CompilerNotFound, InvalidArgument
from graphopt.runtime import toolchain
from graphopt.runtime.cache import Cache
from graphopt.runtime.process import compiler_runs
from graphopt.runtime.toolchain import Compiler, default_flags, default_link_flags, find_compiler

CC, CXX = shutil.which("cc"), shutil.which("c++")
needs_c = pytest.mark.skipif(CC is None, reason="no C compiler")
needs_cpp = pytest.mark.skipif(CXX is None, reason="no C++ compiler")


def forget() -> None:
    """As a new process would, know nothing but what is in the cache."""
    toolchain._known.clear()


@needs_c
def test_a_compiler_is_found_and_described():
    compiler = find_compiler()
    assert compiler.path.is_absolute() and compiler.language == "c"
    assert compiler.family in ("gcc", "clang") and compiler.version
    assert find_compiler(str(compiler.path)) == compiler


@needs_cpp
def test_a_cpp_compiler_is_found():
    compiler = find_compiler(language="c++")
    assert compiler.language == "c++" and compiler.suffix == ".cpp"
    assert "-std=gnu++17" in default_flags(compiler)


def test_a_c_compilers_name_means_its_cpp_driver():
    spelled = [toolchain._spelling(name, "c++") for name in ("gcc", "clang-15", "/opt/bin/gcc-12", "g++", "icpx")]
    assert spelled == ["g++", "clang++-15", "/opt/bin/g++-12", "g++", "icpx"]
    assert toolchain._spelling("gcc", "c") == "gcc"


def test_without_any_compiler_the_error_says_what_was_looked_for_and_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerNotFound) as caught:
        find_compiler()
    for text in ("cc, gcc, clang", "not on the PATH", "apt install gcc", "set CC"):
        assert text in str(caught.value)
    with pytest.raises(CompilerNotFound, match=r"c\+\+, g\+\+, clang\+\+"):
        find_compiler(language="c++")


def test_a_compiler_asked_for_is_never_replaced_by_another(monkeypatch):
    with pytest.raises(CompilerNotFound, match=r"Looked for no-such-compiler \(as asked for\)"):
        find_compiler("no-such-compiler")
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(CompilerNotFound, match="as the environment variable CC says") as caught:
        find_compiler()
    assert "there is no such program" in str(caught.value)


@needs_c
def test_the_environment_may_choose_a_compiler_with_arguments(monkeypatch):
    monkeypatch.setenv("CC", f"{CC} -DFROM_CC=1")
    compiler = find_compiler()
    assert compiler.command == (CC, "-DFROM_CC=1")
    assert compiler.identity != find_compiler(CC).identity


def test_an_empty_setting_counts_as_none(monkeypatch):
    monkeypatch.setenv("CC", "  ")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerNotFound, match="cc, gcc, clang"):
        find_compiler()


def test_a_compiler_that_does_not_answer_is_no_compiler(script):
    broken = script("broken", "echo no licence; exit 1")
    with pytest.raises(CompilerNotFound, match="failed with status 1 no licence"):
        find_compiler(str(broken))


def test_a_program_that_cannot_be_executed_is_no_compiler(tmp_path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\x7fELF but not really")
    garbage.chmod(0o755)
    with pytest.raises(CompilerNotFound, match="could not be started"):
        find_compiler(str(garbage))


@needs_c
def test_by_default_a_broken_compiler_is_passed_over(script, monkeypatch):
    script("cc", "exit 1")
    good = script("gcc", f'PATH=/usr/bin:/bin exec {CC} "$@"')
    monkeypatch.setenv("PATH", str(good.parent))
    assert find_compiler().path == good


def test_a_strangers_compiler_is_of_unknown_family(script):
    strange = script("strange", "echo Strange C 1.0")
    compiler = find_compiler(str(strange))
    assert (compiler.family, compiler.version) == ("unknown", "Strange C 1.0")


def test_clang_is_told_from_gcc():
    assert toolchain._family("Ubuntu clang version 18.1.3") == "clang"
    assert toolchain._family("Apple clang version 15.0.0 (clang-1500.3.9.4)") == "clang"
    assert toolchain._family("cc (Debian 12.2.0) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.") == "gcc"


def test_only_two_languages_are_known():
    with pytest.raises(InvalidArgument, match="'fortran'"):
        find_compiler(language="fortran")


@needs_c
@pytest.mark.parametrize("language", ["c", pytest.param("c++", marks=needs_cpp)])
def test_default_flags_keep_ieee_arithmetic(language):
    flags = default_flags(find_compiler(language=language))
    assert {"-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC"} <= set(flags)
    assert not [flag for flag in flags if "fast" in flag or "unsafe" in flag]


@needs_c
def test_vector_functions_bring_their_library():
    compiler = find_compiler()
    flags = default_flags(compiler)
    assert ("-DGO_HAVE_LIBMVEC" in flags) == compiler.features().libmvec
    assert default_link_flags(("-O2",)) == ("-lm",)
    assert default_link_flags(("-O2", "-DGO_HAVE_LIBMVEC")) == ("-lmvec", "-lm")


@needs_c
def test_what_a_compiler_lacks_is_left_out(script):
    limited = script(
        "limited",
        f"""for argument in "$@"; do
    case "$argument" in -fopenmp|-march=native|-lmvec|-fno-trapping-math) echo unsupported >&2; exit 1;; esac
done
exec {CC} "$@" """,
    )
    compiler = find_compiler(str(limited))
    features = compiler.features()
    assert not (features.openmp or features.native or features.libmvec)
    flags = default_flags(compiler)
    assert "-O3" in flags and "-fopenmp-simd" in flags
    assert not {"-fopenmp", "-march=native", "-fno-trapping-math", "-DGO_HAVE_LIBMVEC"} & set(flags)


@needs_c
def test_vector_functions_that_the_compiler_never_calls_do_not_count(script):
    plain = script("plain", f'exec {CC} "$@" -O0')
    features = find_compiler(str(plain)).features()
    assert not features.libmvec
    assert features.openmp == find_compiler().features().openmp


def test_a_compiler_that_only_fails_has_no_features(script):
    failing = script("failing", '[ "$1" = --version ] && echo gcc && exit 0; exit 1')
    assert default_flags(find_compiler(str(failing))) == ()


def test_a_compiler_that_is_killed_says_nothing_about_its_features(script):
    killed = script("killed", '[ "$1" = --version ] && echo gcc && exit 0; kill -9 $$')
    with pytest.raises(CompilationFailed, match="was killed while compiling a few lines"):
        find_compiler(str(killed)).features()


@needs_c
def test_what_was_learned_is_remembered_on_disk():
    first = find_compiler()
    features = first.features(fresh=True)
    forget()
    find_compiler()  # remembers the version in this test's cache
    forget()
    before = compiler_runs()
    again = find_compiler()
    assert (again, again.features()) == (first, features)
    assert compiler_runs() == before


@needs_c
def test_a_new_compiler_in_the_old_place_is_examined_again(script):
    path = script("mine", f'exec {CC} "$@"')
    before = find_compiler(str(path))
    identity = before.identity
    script("mine", f'[ "$1" = --version ] && echo Mine 2.0 && exit 0; exec {CC} "$@"')
    os.utime(path, (1, 1))
    assert find_compiler(str(path)).version == "Mine 2.0"
    assert before.identity != identity


def test_a_compiler_replaced_by_one_of_the_same_size_is_another(script):
    path = script("same", "echo gcc")
    identity = find_compiler(str(path)).identity
    os.utime(path, (1, 1))
    assert find_compiler(str(path)).identity != identity


def test_a_compiler_that_vanished_is_not_found(script):
    path = script("vanishing", "echo gcc")
    compiler = find_compiler(str(path))
    path.unlink()
    with pytest.raises(CompilerNotFound, match="is gone"):
        compiler.features()


@needs_c
def test_what_a_compiler_could_not_do_is_tried_again_after_a_day(script, tmp_path, monkeypatch):
    without = tmp_path / "without-openmp"
    without.touch()
    path = script(
        "growing",
        f'[ -e {without} ] && case "$*" in *-fopenmp\\ *) exit 1;; esac\nexec {CC} "$@"',
    )
    compiler = find_compiler(str(path))
    assert not compiler.features().openmp
    without.unlink()
    assert not compiler.features().openmp
    tomorrow = time.time() + 90_000
    monkeypatch.setattr(toolchain.time, "time", lambda: tomorrow)
    assert compiler.features().openmp


@needs_c
def test_search_paths_of_the_environment_are_part_of_the_identity(monkeypatch):
    compiler = find_compiler()
    before = compiler.identity
    monkeypatch.setenv("CPATH", "/opt/include")
    assert compiler.identity != before


@needs_c
def test_an_unusable_cache_does_not_hide_the_compiler(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    forget()
    assert default_flags(find_compiler(cache=cache), cache=cache)


def test_a_damaged_memory_is_not_believed(script):
    path = script("honest", "echo Honest 1.0")
    find_compiler(str(path))
    for entry in Cache().entries():
        (entry.path / "facts.json").write_text('{"version": "Lies 9.9", "family": "gcc"}')
    forget()
    assert find_compiler(str(path)).version == "Honest 1.0"


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_clang_gets_flags_it_takes():
    compiler = find_compiler("clang")
    assert compiler.family == "clang"
    assert "-O3" in default_flags(compiler)


def test_importing_needs_the_standard_library_alone(output_of):
    folder = Path(toolchain.__file__).parent
    code = f"""
import importlib, sys, types
before = set(sys.modules)
package = types.ModuleType("graphopt")
package.__path__ = [{str(folder.parent)!r}]
sys.modules["graphopt"] = package
for name in ("blas", "cache", "compile", "diagnostics", "doctor", "features", "outside", "process", "toolchain"):
    importlib.import_module("graphopt.runtime." + name)
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(sorted(new - set(sys.stdlib_module_names) - {{"graphopt"}}))
"""
    assert output_of(code).strip() == "[]"


def test_a_compiler_can_be_described_by_hand():
    compiler = Compiler(Path(sys.executable), "unknown", "", "c")
    assert compiler.command == (sys.executable,)
