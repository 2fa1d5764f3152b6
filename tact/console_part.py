"""The part `console`: what the operators' console asks about the lake, and the last minutes of the install's metrics.

One line of JSON in, one out, over a unix socket in the home that only this user may open (service/lake_desk.py asks).
It runs at a low priority: a decision never waits for a page.
"""

import asyncio
import contextlib
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from service.lake_desk import desk_socket
from service.priority import LOOKING, give_way
from service.settings import Settings
from tact.console_desk import Desk
from tact.console_jobs import Jobs
from tact.console_samples import Samples

MOST_WAIT_S: Final = 2.0
MOST_LINE: Final = 8 << 20
"""A question may hold a policy."""

_log = structlog.get_logger("tact.console")


def run(settings: Settings, stop: threading.Event) -> None:
    """Answers until `stop`. Raises OSError where the socket cannot be made."""
    give_way(LOOKING)
    asyncio.run(_serve(settings, stop))


async def _serve(settings: Settings, stop: threading.Event) -> None:
    desk, samples = Desk(settings), Samples(settings)
    jobs = Jobs(settings)
    path = _free(desk_socket(settings.home))
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(partial(_answer_one, desk, samples, jobs), str(path), limit=MOST_LINE)
    finally:
        os.umask(before)
    threading.Thread(target=samples.follow, args=(stop,), name="samples", daemon=True).start()
    threading.Thread(target=_import_ahead, name="imports", daemon=True).start()
    _log.info("started", socket=str(path))
    async with server:
        await asyncio.to_thread(stop.wait)
    desk.close()
    jobs.close()
    with contextlib.suppress(OSError):
        path.unlink()


async def _answer_one(
    desk: Desk, samples: Samples, jobs: Jobs, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        question = msgspec.json.decode(await reader.readline())
        writer.write(msgspec.json.encode(await _answered(desk, samples, jobs, question)) + b"\n")
        await writer.drain()
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, OSError) as error:  # one bad caller, or one that left
        _log.warning("question_refused", why=f"{type(error).__name__}: {error}")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answered(desk: Desk, samples: Samples, jobs: Jobs, question: dict[str, Any]) -> dict[str, Any]:
    if question["ask"] == "samples":
        return {"state": "done", "answer": samples.told()}
    if question["ask"] == "start":
        return jobs.start(question["what"], question["who"], question["shop"], question["given"])
    if question["ask"] == "job":
        return jobs.told(question["job"], question["shop"])
    if question["ask"] == "warm":
        await asyncio.to_thread(desk.warm, question["shop"])
        return {"state": "done", "answer": {}}
    wait_s = min(MOST_WAIT_S, float(question.get("wait_s", 0.5)))
    return await asyncio.to_thread(desk.ask, question["ask"], question["shop"], question.get("params", {}), wait_s)


def _free(path: Path) -> Path:
    """The address, without the socket that a part before left there. Its folder is private."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return path


def _import_ahead() -> None:
    """The first page should not wait for imports."""
    with contextlib.suppress(ModuleNotFoundError):
        import training.console_lift
        import training.console_messages  # noqa: F401
