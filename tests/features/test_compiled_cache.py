"""Processes that compile at the same time each get the code of their own types, and a changed callee is compiled in."""

import subprocess
import sys
from pathlib import Path

import features.compiled_cache as compiled_cache

MODULE = """
import features
import numba

@numba.njit(cache=True)
def double(x):
    return x + x
"""
COMPILE = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import features
from numba.core import caching
if sys.argv[3] == "meet":
    plain = caching.IndexDataCacheFile._save_index
    def together(self, *given):  # a name was taken and is not in the index yet: where another process came between
        Path(sys.argv[1], sys.argv[2]).touch()
        give_up = time.monotonic() + 4
        while len(list(Path(sys.argv[1]).glob("[if]*t"))) < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        plain(self, *given)
    caching.IndexDataCacheFile._save_index = together
import twice
given = {"int": 3, "float": 1.5}[sys.argv[2]]
print(repr(twice.double(given)))
"""


def start(folder: Path, kind: str, how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", COMPILE, str(folder), kind, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_compile_at_once_do_not_write_each_others_code(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(MODULE)
    both = [start(tmp_path, kind, "meet") for kind in ("int", "float")]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["6", "3.0"]
    code = sorted(path.name for path in (tmp_path / "__pycache__").glob("*.nbc"))
    assert len(code) == 2, code
    again = [start(tmp_path, kind, "alone") for kind in ("int", "float")]
    assert [process.communicate(timeout=120)[0].strip() for process in again] == ["6", "3.0"]


def test_the_cache_is_of_all_modules_that_compile(tmp_path: Path) -> None:
    stamped = compiled_cache.IndexDataCacheFile("here", "name", ("stamp", 1))._source_stamp
    assert stamped == (("stamp", 1), compiled_cache.sources())
    before = []
    for text in ("import numba", "import numba  # changed", "import numpy"):
        folder = tmp_path / str(len(before))
        (folder / "features").mkdir(parents=True)
        (folder / "features" / "a.py").write_text(text)
        before.append(compiled_cache.sources(folder))
    assert len(set(before)) == 3
    assert before[2] == compiled_cache.sources(tmp_path / "nothing")


WITHOUT = """
import sys
sys.path.insert(0, sys.argv[1])
import features
import numpy as np
import sums
given = np.array([3, 1, 2], sys.argv[2])
print(sums.spread(given), sums.low(given, 2), {"numba.np.arraymath", "numba.cpython.unicode"} <= sys.modules.keys())
try:
    sums.low(given, 7)
except ValueError as error:
    print(error, sums.again._cache_misses[sums.again.signatures[0]] if sums.again(given) else "")
"""
SUMS = """
import features
import numba
import numpy as np

@numba.njit(cache=True)
def spread(values):
    some = np.sort(values)
    return some[-1] - some[0]

@numba.njit(cache=True)
def low(values, n):
    if n > values.size:
        raise ValueError("too few")
    return values[np.argsort(values)[:n]].max() + values.mean() + (1 if "b" in ("a", "b") else 0)

@numba.njit(cache=True)
def again(values):
    return spread(values) + low(values, 1) > 0
"""


def run(folder: Path, kind: str) -> list[str]:
    command = [sys.executable, "-c", WITHOUT, str(folder), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_what_was_compiled_is_loaded_without_what_only_compiling_needs(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    said = [run(tmp_path, "i8") for _ in range(2)]
    assert [one[:3] for one in said] == [["2", "5.0", "True"], ["2", "5.0", "False"]]
    assert [one[3:] for one in said] == [["too", "few", "1"], ["too", "few", "0"]]


def test_new_types_are_compiled_and_kept_beside_what_was_loaded(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    assert [run(tmp_path, kind)[2] for kind in ("i8", "f8", "f8", "i8")] == ["True", "True", "False", "False"]


def test_what_is_compiled_anew_calls_what_was_loaded_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    run(tmp_path, "i8")
    for file in (tmp_path / "__pycache__").glob("sums.again*"):
        file.unlink()
    assert [run(tmp_path, "i8")[3:] for _ in range(2)] == [["too", "few", "1"], ["too", "few", "0"]]
