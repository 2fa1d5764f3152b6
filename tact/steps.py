"""Steps of a longer start, told as they go: a spinner that becomes a tick with seconds; plain lines off a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Step:
    """One step under way. `note` is what the line says in the end beside its name."""

    def __init__(self, name: str, update: "Steps") -> None:
        self.name, self.note = name, ""
        self._steps = update

    def at(self, what: str) -> None:
        """Tell how far it is, on a terminal."""
        self._steps.show(f"{self.name}: {what}")


class Steps:
    """Runs steps one after the other and keeps the time of all of them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("", spinner="dots") if console.is_terminal else None
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step could have begun."""
        return time.monotonic() - self._started

    def show(self, text: str) -> None:
        """What is being done now; only a terminal shows it."""
        if self._status is not None:
            self._status.update(escape(text))

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step with its line at the end; an error goes through, its line says where it was."""
        step, started = Step(name, self), time.monotonic()
        self.show(f"{name} …")
        if self._status is not None:
            self._status.start()
        mark = "[bold red]✗[/]"
        try:
            yield step
            mark = "[green]✓[/]"
        finally:
            if self._status is not None:
                self._status.stop()
            note = f"  [dim]{escape(step.note)}[/]" if step.note else ""
            seconds = f"{time.monotonic() - started:6.1f} s"
            self._console.print(f"{mark} {seconds}  {escape(name)}{note}", soft_wrap=True)
