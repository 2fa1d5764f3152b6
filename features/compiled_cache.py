"""numba's cache on disk, made safe for several processes and for changed callees.

numba takes the first free number for a function's machine code and writes index and code as two files, without a lock:
two processes that compile the same function for different types at the same time can write each other's file, and one
then runs code compiled for other types (numba issues 4807 and 10128 tell of the same race). The parts of Tact start at
once, and so do a worker's siblings. Here reading and writing take turns by a lock beside the index.

numba also looks only at the file a function stands in. What it calls from another module is compiled into it, so a
change there would be missed. Here the index is of all modules of this package and of models/ that compile.

And before it loads machine code, numba imports all it would need to compile: 25 MB and a third of a second of each
process that never compiles. Here code is loaded without; whoever does compile then imports the rest as ever.
"""

import fcntl
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

from numba.core import environment
from numba.core.caching import Cache, IndexDataCacheFile
from numba.core.environment import Environment, lookup_environment
from numba.core.runtime import rtsys  # type: ignore[attr-defined]

T = TypeVar("T")
_FOLDERS: Final = ("features", "models")


@cache
def sources(root: Path = Path(__file__).parents[1]) -> str:
    """A hash of all modules that hold compiled code others may call."""
    texts = [path.read_bytes() for name in _FOLDERS for path in sorted((root / name).glob("*.py"))]
    return hashlib.sha256(b"\0".join(text for text in texts if b"numba" in text)).hexdigest()[:16]


@contextmanager
def _turn(index: str) -> Iterator[None]:
    """Until it ends, no other process reads or writes this function's cache. Where nothing can be locked: as before."""
    with ExitStack() as held:
        with suppress(OSError):  # a folder that cannot be written, a file system without locks
            fcntl.flock(held.enter_context(open(f"{index}.lock", "ab")), fcntl.LOCK_EX)
        yield


def _in_turn(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def locked(self: Any, *given: Any) -> T:
        with _turn(self._index_path):
            return method(self, *given)

    return locked


def _of_all_sources(method: Callable[..., None]) -> Callable[..., None]:
    @wraps(method)
    def begin(self: Any, cache_path: str, filename_base: str, source_stamp: object) -> None:
        method(self, cache_path, filename_base, (source_stamp, sources()))

    return begin


def _load_overload(self: Any, signature: Any, target: Any) -> Any:
    """numba's own without `target.refresh()`; what machine code is linked with has to be there all the same."""
    rtsys.initialize(target)
    importlib.import_module("numba.cpython.hashing")  # names the secrets of Python's hashes to the linker
    with self._guard_against_spurious_io_errors():
        return self._load_overload(signature, target)


def _rebuild_env(module: str, consts: list[Any], name: str) -> Any:
    """The surroundings of compiled code. Only what is not compiled looks at its module: numba's are not imported."""
    found = lookup_environment(name)  # type: ignore[no-untyped-call]
    if found is None:
        own = module in sys.modules or not module.startswith("numba.")
        found = Environment(importlib.import_module(module).__dict__ if own else {"__name__": module})
        found.consts[:], found.env_name = consts, name
        Environment._memo[name] = found
    return found


def install() -> None:
    """Once, before anything is compiled: whoever imports features or models has it."""
    if not hasattr(IndexDataCacheFile.save, "__wrapped__"):
        IndexDataCacheFile.save = _in_turn(IndexDataCacheFile.save)  # type: ignore[method-assign]
        IndexDataCacheFile.load = _in_turn(IndexDataCacheFile.load)  # type: ignore[method-assign]
        IndexDataCacheFile.__init__ = _of_all_sources(IndexDataCacheFile.__init__)  # type: ignore[method-assign]
        Cache.load_overload = _load_overload  # type: ignore[method-assign]
        environment._rebuild_env = _rebuild_env
