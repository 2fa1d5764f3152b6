"""Keeping the garbage collector and other threads from pausing requests.

A full collection looks through everything that lives, holds every thread meanwhile and finds next to nothing here:
measured 30 to 60 ms with 50,000 products. What is made to stay is therefore frozen, out of the collector's sight.

What only the start needed is given back: room that was freed, and the code of LLVM, which loads compiled code and then
lies there. The kernel keeps its pages as it keeps any file's; a compilation later on finds them again.
"""

import ctypes
import gc
import re
import sys
from pathlib import Path
from typing import Final

YOUNG: Final = (20_000, 20, 20)
SWITCH_S: Final = 0.0005
"""How long a thread that builds a catalog may hold up the event loop at a time; Python's default is ten times it."""

FULL_EVERY: Final = 500
"""Now and then a full collection after all: garbage that was frozen by chance must not add up for ever."""


class Keeper:
    """Freezes what stays."""

    def __init__(self) -> None:
        self._times = 0

    def begin(self) -> None:
        """Once, when everything is loaded."""
        sys.setswitchinterval(SWITCH_S)
        gc.set_threshold(*YOUNG)
        gc.collect()
        give_back()
        gc.freeze()

    def keep(self) -> None:
        """After something large was made that stays."""
        self._times += 1
        if self._times % FULL_EVERY == 0:
            gc.unfreeze()
            gc.collect()
        else:
            gc.collect(1)
        gc.freeze()


_MAPPED: Final = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-xp .*/libllvmlite\.so$", re.MULTILINE)
_DONT_NEED: Final = 4
"""MADV_DONTNEED (madvise(2)). Of executable pages of a file nothing is lost: nobody writes to them."""


def give_back() -> int:
    """Return memory that only a start needs. Bytes of LLVM's code let go; 0 where the system is no Linux with glibc."""
    try:
        libc, maps = ctypes.CDLL(None), Path("/proc/self/maps").read_text()
        libc.malloc_trim(0)
    except (OSError, AttributeError):
        return 0
    spans = [(int(begin, 16), int(end, 16)) for begin, end in _MAPPED.findall(maps)]
    let_go = (not libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(end - at), _DONT_NEED) for at, end in spans)
    return sum(end - at for (at, end), done in zip(spans, let_go, strict=True) if done)
