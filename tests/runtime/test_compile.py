"""From text to a loaded library, through the cache."""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from graphopt.errors import CompilationFailed, CompilerNotFound, InvalidArgument
from graphopt.runtime.cache import Cache
from graphopt.runtime.compile import build_library, compiler_runs
from graphopt.runtime.toolchain import find_compiler

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler")
QUICK = ("-O0",)
ANSWER = "int answer(void) { return 42; }\n"


def answer(library) -> int:
    return library.handle.answer()


def leftovers() -> list[str]:
    work = Cache().directory / "work"
    return os.listdir(work) if work.exists() else []


def returning(number: int) -> str:
    return f"int answer(void) {{ return {number}; }}\n"


def test_text_becomes_a_function():
    library = build_library("double half(double x) { return x / 2; }\n")
    half = library.handle.half
    half.restype, half.argtypes = ctypes.c_double, [ctypes.c_double]
    assert half(3.0) == 1.5
    assert library.path.is_file() and library.path.parent.parent.parent == Cache().directory
    assert library.source == "double half(double x) { return x / 2; }\n"
    assert "-O3" in library.compiler_log and leftovers() == []


def test_the_second_time_no_compiler_runs():
    first = build_library(ANSWER, flags=QUICK)
    before = compiler_runs()
    second = build_library(ANSWER, flags=QUICK)
    assert compiler_runs() == before
    assert second.path == first.path and second.handle is first.handle and second.compiler_log == first.compiler_log


WARM = """
from graphopt.runtime.compile import build_library, compiler_runs
library = build_library("int answer(void) { return 42; }")
print(library.handle.answer(), compiler_runs())
"""


def test_a_warm_start_runs_no_compiler_at_all(output_of):
    cold = output_of(WARM).split()
    assert cold[0] == "42" and int(cold[1]) >= 2
    assert output_of(WARM).split() == ["42", "0"]


def test_whatever_changes_the_result_changes_the_address():
    text = "#ifndef N\n#define N 0\n#endif\nint answer(void) { return N; }\n"
    libraries = [
        build_library(text, flags=QUICK),
        build_library(text + "\n", flags=QUICK),
        build_library(text, flags=QUICK, extra_flags=["-DN=1"]),
        build_library(text, flags=QUICK, link=["-Wl,-O1"]),
        build_library(text, flags=QUICK, link=["-Wl,-O2"]),
        build_library({"other": text}, flags=QUICK),
        build_library(text, flags=QUICK, compiler=f"{CC} -DN=7"),
    ]
    assert len({library.path for library in libraries}) == len(libraries)
    assert [answer(library) for library in libraries] == [0, 0, 1, 0, 0, 0, 7]


def test_text_may_hold_any_characters():
    library = build_library('const char *word(void) { return "größer ≥ 数"; } /* naïve */\n', flags=QUICK)
    library.handle.word.restype = ctypes.c_char_p
    assert library.handle.word().decode() == "größer ≥ 数"
    assert "naïve" in library.source
    with pytest.raises(InvalidArgument, match="UTF-8"):
        build_library("/* \ud800 */" + ANSWER)


def test_several_sources_are_compiled_and_linked_together():
    sources = {
        "shared.h": "#define SHIFT 2\nint inner(int);\n",
        "inner": '#include "shared.h"\nint inner(int x) { return x + SHIFT; }\n',
        "outer": '#include "shared.h"\nint answer(void) { return inner(40); }\n',
    }
    before = compiler_runs()
    library = build_library(sources, flags=QUICK, compiler=find_compiler())
    assert answer(library) == 42
    assert compiler_runs() - before <= 4  # two units, one link, and perhaps --version
    assert set(library.sources) == {"shared.h", "inner.c", "outer.c"}
    assert "/* outer.c */" in library.source and library.compiler_log.count(" -c ") == 2


def test_only_the_changed_source_is_compiled_again():
    sources = {"a": "int a(void) { return 1; }\n", "b": "int a(void); int answer(void) { return a() + 1; }\n"}
    assert answer(build_library(sources, flags=QUICK)) == 2
    before = compiler_runs()
    assert answer(build_library(sources | {"a": "int a(void) { return 5; }\n"}, flags=QUICK)) == 6
    assert compiler_runs() - before == 2  # one unit, one link


def test_cpp_is_compiled_too():
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    text = 'template <typename T> T twice(T x) { return x + x; }\nextern "C" int answer() { return twice(21); }\n'
    assert answer(build_library(text, language="c++", flags=QUICK)) == 42
    assert answer(build_library(text, compiler=find_compiler(language="c++"), flags=QUICK)) == 42


def test_an_error_shows_the_line_and_the_command_and_leaves_nothing():
    text = "int one(void) { return 1; }\n\nint answer(void)\n{\n    return one() + missing;\n}\n"
    build_library(ANSWER, flags=QUICK)
    before = Cache().entries()
    with pytest.raises(CompilationFailed) as caught:
        build_library(text, flags=QUICK)
    message = str(caught.value)
    assert "missing" in message and ">     5 |     return one() + missing;" in message
    assert "command: " in message and "-O0" in message
    assert str(Cache().directory) not in message
    assert Cache().entries() == before and leftovers() == []


def test_an_error_of_the_linker_is_shown_too():
    with pytest.raises(CompilationFailed, match="no_such_library"):
        build_library(ANSWER, flags=QUICK, link=["-lno_such_library"])


def test_a_missing_symbol_is_named():
    library = build_library("int elsewhere(void); int answer(void) { return elsewhere(); }\n", flags=QUICK)
    with pytest.raises(CompilationFailed, match=r"undefined symbol: elsewhere.*'link'"):
        _ = library.handle


def test_without_a_compiler_the_error_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerNotFound, match="Looked for"):
        build_library(ANSWER)


def test_a_compiler_that_fails_silently_is_reported(script):
    failing = script("failing", '[ "$1" = --version ] && echo gcc && exit 0; exit 1')
    with pytest.raises(CompilationFailed, match=r"failing rejected the text \(exit status 1\)(.|\n)*printed nothing"):
        build_library(ANSWER, compiler=str(failing))
    assert leftovers() == []


@pytest.mark.parametrize("body", ["exit 0", 'for last; do :; done; : > "$last"; : > library.so'])
def test_a_compiler_that_writes_nothing_is_reported(script, body):
    idle = script("idle", f'[ "$1" = --version ] && echo gcc && exit 0; {body}')
    with pytest.raises(CompilationFailed, match="reported success but wrote nothing"):
        build_library(ANSWER, compiler=str(idle), flags=QUICK)
    assert leftovers() == []


def test_a_compiler_that_is_killed_is_reported(script):
    killed = script("killed", '[ "$1" = --version ] && echo gcc && exit 0; kill -9 $$')
    with pytest.raises(CompilationFailed, match="for want of memory"):
        build_library(ANSWER, compiler=str(killed), flags=QUICK)


def test_a_compiler_that_takes_too_long_is_ended_with_its_children(script, tmp_path):
    pid_file = tmp_path / "child"
    slow = script("slow", f'[ "$1" = --version ] && echo gcc && exit 0; sleep 60 & echo $! > {pid_file}; wait')
    began = time.monotonic()
    with pytest.raises(CompilationFailed, match=r"within 0.5 s(.|\n)*command:"):
        build_library(ANSWER, compiler=str(slow), flags=QUICK, timeout=0.5)
    assert time.monotonic() - began < 20
    child = int(pid_file.read_text())
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child) and leftovers() == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_cache_that_cannot_be_written_gives_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(CompilationFailed, match=r"cannot be written.*GRAPHOPT_CACHE") as caught:
        build_library(ANSWER, cache=Cache(tmp_path / "file" / "cache"))
    assert caught.value.__suppress_context__
    assert sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts) == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lose_the_manifest(path: Path) -> None:
    (path.parent / "manifest.json").unlink()


def lose_everything(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("number, damage", list(enumerate([flip, truncate, lose_the_manifest, lose_everything])))
def test_a_damaged_library_is_built_again_and_never_loaded(number, damage):
    text = returning(100 + number)
    damage(build_library(text, flags=QUICK).path)
    before = compiler_runs()
    assert answer(build_library(text, flags=QUICK)) == 100 + number
    assert compiler_runs() == before + 1


def test_a_library_damaged_before_it_is_loaded_is_built_again():
    library = build_library(returning(7), flags=QUICK)
    truncate(library.path)
    assert answer(library) == 7


def test_a_loaded_library_survives_the_clearing_of_the_cache():
    library = build_library(returning(8), flags=QUICK)
    assert answer(library) == 8
    Cache().clear()
    assert answer(library) == 8
    assert answer(build_library(returning(8), flags=QUICK)) == 8


def test_a_changed_header_outside_is_noticed(tmp_path):
    folder = tmp_path / "include dir"
    folder.mkdir()
    text = "#include <value.h>\nint answer(void) { return VALUE; }\n"
    for flags in ((f"-I{folder}",), ("-isystem", str(folder))):
        for value in (3, 4):
            (folder / "value.h").write_text(f"#define VALUE {value}\n")
            os.utime(folder / "value.h", (value, value))
            assert answer(build_library(text, flags=(*QUICK, *flags))) == value


def test_a_changed_object_that_is_linked_is_noticed(tmp_path):
    for value in (3, 4):
        (tmp_path / "part.c").write_text(f"int part(void) {{ return {value}; }}\n")
        subprocess.run([CC, "-fPIC", "-c", "part.c", "-o", "part.o"], cwd=tmp_path, check=True)
        text = "int part(void); int answer(void) { return part(); }\n"
        assert answer(build_library(text, flags=QUICK, link=[str(tmp_path / "part.o")])) == value


def test_folders_to_include_from_are_absolute():
    with pytest.raises(InvalidArgument, match="absolute"):
        build_library(ANSWER, flags=("-Iinclude",))


@pytest.mark.parametrize(
    "sources", [{}, {"only.h": ""}, {"../x": ANSWER}, {"a": ANSWER, "a.c": ANSWER}, {".c": ANSWER}]
)
def test_impossible_sources_are_refused(sources):
    with pytest.raises(InvalidArgument):
        build_library(sources)


@pytest.mark.parametrize("flags", [None, ("-O2", "-ffast-math"), ("-Ofast",)])
def test_loading_a_library_leaves_the_arithmetic_of_the_process_alone(flags, output_of):
    code = f"""
from graphopt.runtime.compile import build_library
smallest = 2.2250738585072014e-308
build_library("double f(double x) {{ return x * 3; }}", flags={flags!r}).handle
print(smallest / 4 > 0)
"""
    assert output_of(code).strip() == "True"


def test_default_flags_call_vector_functions_where_there_are_any():
    if not find_compiler().features().libmvec:
        pytest.skip("no libmvec")
    text = """#pragma omp declare simd notinbranch
double erf(double);
void apply(const double *restrict x, double *restrict y, long n)
{
    #pragma omp simd
    for (long i = 0; i < n; ++i) y[i] = erf(x[i]);
}
"""
    library = build_library(text)
    assert b"_ZGV" in library.path.read_bytes()
    x, y = (ctypes.c_double * 9)(*[0.5] * 9), (ctypes.c_double * 9)()
    library.handle.apply(x, y, ctypes.c_long(9))
    assert all(abs(value - 0.5204998778130465) < 1e-15 for value in y)


def test_threads_that_want_the_same_library_compile_it_once():
    compiler = find_compiler()
    before, results = compiler_runs(), []
    threads = [
        threading.Thread(
            target=lambda: results.append(answer(build_library(returning(9), flags=QUICK, compiler=compiler)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [9] * 8 and compiler_runs() == before + 1


def test_a_forked_child_can_compile():
    build_library(returning(10), flags=QUICK)
    child = os.fork()
    if child == 0:
        ok = answer(build_library(returning(11), flags=QUICK)) == 11
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


MANY = """
import sys
from graphopt.runtime.compile import build_library
own = int(sys.argv[1])
for number in (1, 2, own):
    library = build_library("int answer(void) { return %d; }" % number)
    assert library.handle.answer() == number
pair = {"a": "int a(void) { return 30; }", "b": "int a(void); int answer(void) { return a() + %d; }" % own}
print(build_library(pair, flags=["-O0"]).handle.answer())
"""


def test_many_processes_compile_the_same_and_different_sources_from_an_empty_cache(start):
    processes = [start(MANY, str(100 + number)) for number in range(4)]
    for number, process in enumerate(processes):
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output.strip()) == (0, str(130 + number)), errors
    assert leftovers() == []


KILLED = """
import sys
from graphopt.runtime.compile import build_library
print(build_library("int answer(void) { return 42; }", compiler=sys.argv[1], flags=["-O0"]).handle.answer())
"""


def test_a_process_killed_while_compiling_leaves_a_working_cache(start, script, tmp_path):
    started, gate = tmp_path / "started", tmp_path / "gate"
    slow = script(
        "slow",
        f'[ "$1" = --version ] && echo gcc && exit 0; : > {started}; '
        f'[ -e {gate} ] || {{ echo half > library.so; sleep 3; }}; exec {CC} "$@"',
    )
    process = start(KILLED, str(slow))
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    (abandoned,) = leftovers()
    gate.touch()
    assert answer(build_library(ANSWER, compiler=str(slow), flags=QUICK)) == 42
    os.utime(Cache().directory / "work" / abandoned, (0, 0))
    build_library(returning(12), compiler=str(slow), flags=QUICK)
    assert abandoned not in leftovers()
