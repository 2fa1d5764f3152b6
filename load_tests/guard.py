"""How much work a piece of code is, counted so that every machine counts the same: no clock, no luck.

    .venv/bin/python -m load_tests.guard tests.performance.decision:full

Runs a piece of work in a process of its own under a tracer and prints what it counted as JSON. Three figures:

* python     instructions of the interpreter in ordinary functions
* compiled   the same in functions that numba compiles: here they run uncompiled, so a slower loop is a larger count
* calls      calls of functions written in C (numpy, msgspec, hashlib …), whose inside is not counted

They depend on the code, on what it is given and on the version of Python, and on nothing else; so a budget can be
tight. A clock tells how fast a machine is; this tells how much it is asked to do.
"""

import importlib
import json
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

ALLOWED: Final = 1.15
"""A count may exceed its budget by this factor before the guard fails."""

COUNTED_IN: Final = (3, 11)
"""The version of Python that budgets are of: another one has other instructions."""

_NUMPY: Final = str(Path(np.__file__).parent)
_ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Work:
    """What was counted, for one call."""

    python: int
    compiled: int
    calls: int

    def over(self, budget: "Work", allowed: float = ALLOWED) -> dict[str, float]:
        """The figures that exceed their budget by more than allowed, each as a share of it."""
        mine, theirs = asdict(self), asdict(budget)
        shares = {name: mine[name] / max(theirs[name], 1) for name in mine}
        return {name: round(share, 3) for name, share in shares.items() if share > allowed}


def measured(work: str, *arguments: str) -> Work:
    """Counts in a process of its own. work: `module:function`; the function prepares and returns what is to be called.

    Raises RuntimeError with the process's own words where it fails.
    """
    command = [sys.executable, "-m", "load_tests.guard", work, *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{work}: {done.stderr[-2000:]}")
    return Work(**json.loads(done.stdout))


def uncompiled() -> set[types.CodeType]:
    """Makes numba leave functions as they are, and returns where it notes which it would have compiled. To be called
    before they are imported."""
    import numba

    known: set[types.CodeType] = set()

    def njit(*given: Any, **_: Any) -> Any:
        return _noted(given[0], known) if given and callable(given[0]) else lambda f: _noted(f, known)

    numba.njit = njit
    return known


def _noted(function: Callable[..., Any], known: set[types.CodeType]) -> Callable[..., Any]:
    """The function, given records whose fields are attributes, as compiled code reads them."""
    known.add(function.__code__)

    def plain(*given: Any) -> Any:
        return function(*map(_with_attributes, given))

    plain.__wrapped__ = function  # type: ignore[attr-defined]
    known.add(plain.__code__)
    return plain


def _with_attributes(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.names and value.dtype.type is np.void:
        return value.view(np.dtype((_Fields, value.dtype)))
    return value


class _Fields(np.void):
    """A record whose fields are attributes; a field outweighs an attribute that numpy has by the same name."""

    def __getattribute__(self, name: str) -> Any:
        names = np.void.__getattribute__(self, "dtype").names
        return self[name] if name in names else np.void.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Counter:
    """Counts one call. compiled: code of functions that would be compiled."""

    def __init__(self, compiled: set[types.CodeType]) -> None:
        self._compiled = compiled
        self.python = self.compiled = self.calls = 0

    def count(self, work: Callable[[], object]) -> Work:
        """What one call of `work` is."""
        sys.setprofile(self._calls)
        try:
            work()
        finally:
            sys.setprofile(None)
        sys.settrace(self._frame)
        try:
            work()
        finally:
            sys.settrace(None)
        return Work(self.python, self.compiled, self.calls)

    def _calls(self, frame: types.FrameType, event: str, what: Any) -> None:
        if event == "c_call" and frame.f_code not in self._compiled and not _stands_in(frame.f_code):
            self.calls += 1

    def _frame(self, frame: types.FrameType, event: str, what: Any) -> Any:
        if _stands_in(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._in_compiled if frame.f_code in self._compiled else self._in_python

    def _in_python(self, frame: types.FrameType, event: str, what: Any) -> Any:
        self.python += event == "opcode"
        return self._in_python

    def _in_compiled(self, frame: types.FrameType, event: str, what: Any) -> Any:
        self.compiled += event == "opcode"
        return self._in_compiled


def _stands_in(code: types.CodeType) -> bool:
    """Whether it is numpy's, whose functions are told from others by their calls, or stands in for compiled access to a
    record's field: none of that is the work's."""
    own = (_with_attributes.__code__, _Fields.__getattribute__.__code__, _Fields.__setattr__.__code__)  # type: ignore[attr-defined]
    return code in own or code.co_filename.startswith(_NUMPY)


def count(work: str, arguments: tuple[str, ...] = ()) -> Work:
    """Counts in this process, whose numba is left without its compiler for good."""
    import warnings

    compiled = uncompiled()
    warnings.simplefilter("ignore", RuntimeWarning)  # numbers that wrap round do so silently once compiled
    module, _, name = work.partition(":")
    prepared: Callable[[], object] = getattr(importlib.import_module(module), name)(*arguments)
    prepared()  # what is made at the first call is no part of the next
    return Counter(compiled).count(prepared)


if __name__ == "__main__":
    print(json.dumps(asdict(count(sys.argv[1], tuple(sys.argv[2:])))))
