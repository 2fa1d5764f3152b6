"""How verbs talk to the person at the terminal: plain words on stderr for what went wrong, with what to do."""

import errno
import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from service.embedded import running_url
from service.settings import Settings, SettingsError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def fail(message: str, hint: str = "", code: int = 1) -> NoReturn:
    """Say what went wrong and what to do, then end with `code`."""
    errors.print(f"[bold red]error[/] {escape(message)}", soft_wrap=True)
    if hint:
        errors.print(escape(hint), soft_wrap=True)
    raise typer.Exit(code)


def load_settings(writes: bool = False) -> Settings:
    """The settings of the environment; ends with every problem listed if any is wrong.

    writes: for a verb that writes to TACT_HOME: makes the folder, and ends if it cannot be written to.
    """
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        fail(str(error), "docs/settings.md lists every setting.", code=2)
    try:
        _check_home(settings.home, writes)
    except OSError as error:
        why = error.strerror or str(error)
        fail(f"TACT_HOME is {settings.home}, which cannot be used: {why}", "Set it to a folder of yours.", code=2)
    return settings


def _check_home(home: Path, writes: bool) -> None:
    """Raises OSError for what is no folder or, with `writes`, for one without room for a file."""
    if home.exists() and not home.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if writes:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"1")


def part_settings() -> Settings:
    """The settings of a part run on its own: on REDIS_URL, or beside a `tact serve` of the same TACT_HOME."""
    settings = load_settings()
    if settings.redis_url is not None:
        return settings
    url = running_url(settings.home / "valkey")
    if url is None:
        fail(
            f"no server for the visitors' state: REDIS_URL is not set and no `tact serve` runs in {settings.home}",
            "Set REDIS_URL, or start everything with `tact serve`.",
        )
    os.environ["REDIS_URL"] = url  # the service's application reads the environment itself
    return settings.model_copy(update={"redis_url": url})


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM, SIGINT or SIGHUP sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop
