"""Asking the part `console` (tact/console_part.py): one line of JSON there, one back, over a unix socket in the home.

The service itself never reads the lake for a page: what takes a processor runs in that part, and waits there.

* DeskAway   the part does not run, or broke off
* DeskBusy   it did not answer in time: it gives way to everything else, and the machine has other work
"""

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from service.embedded import socket_path

NAME: Final = "console.sock"
STATE: Final = "console-state"
TIMEOUT_S: Final = 4.0
MOST_BYTES: Final = 16 << 20
"""Of an answer."""


class DeskAway(ConnectionError):
    """Nobody answers."""


class DeskBusy(DeskAway):
    """Not in time."""


def desk_socket(home: Path) -> Path:
    """Where the part of this home listens: beside where the embedded server does."""
    return socket_path(home.resolve()).with_name(NAME)


def state_folder(home: Path, shop: str) -> Path:
    """Where the part keeps, for its next start, what it followed of a shop's log. It holds visitors' ids."""
    return home / STATE / quote(shop, safe="")


def forget_state(home: Path, shop: str) -> None:
    """Removes it, as a visitor of the shop is erased: it is only a cache."""
    shutil.rmtree(state_folder(home, shop), ignore_errors=True)


async def ask_desk(home: Path, question: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """The part's answer. Raises DeskAway, DeskBusy."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(desk_socket(home)), limit=MOST_BYTES)
            try:
                writer.write(msgspec.json.encode(question) + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise DeskBusy(f"the part console did not answer within {timeout_s:g} s") from None
    except (OSError, ValueError) as error:  # ValueError: an answer above MOST_BYTES
        raise DeskAway(f"the part console does not answer ({type(error).__name__})") from None
    if not line:
        raise DeskAway("the part console ended in the middle of an answer")
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer
