"""Asking the part `console` (tact/console_part.py): one line of JSON there, one back, over a unix socket in the home.

The service itself never reads the lake for a page: what takes a processor runs in that part, and waits there.

* DeskAway   the part does not run, or did not answer in time
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec

from service.embedded import socket_path

NAME: Final = "console.sock"
TIMEOUT_S: Final = 4.0
MOST_BYTES: Final = 16 << 20
"""Of an answer."""


class DeskAway(ConnectionError):
    """Nobody answers."""


def desk_socket(home: Path) -> Path:
    """Where the part of this home listens: beside where the embedded server does."""
    return socket_path(home.resolve()).with_name(NAME)


async def ask_desk(home: Path, question: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """The part's answer. Raises DeskAway."""
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
    except (OSError, TimeoutError, ValueError) as error:  # ValueError: an answer above MOST_BYTES
        raise DeskAway(f"the part `console` does not answer ({type(error).__name__})") from None
    if not line:
        raise DeskAway("the part `console` ended in the middle of an answer")
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer
