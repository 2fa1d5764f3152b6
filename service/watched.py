"""What is made from a source, and made again when the source changes; where the new is refused, the old stays."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from service.metrics import Metrics, Reload

_log = structlog.get_logger("tact.watcher")
T = TypeVar("T")


@dataclass(slots=True)
class Watched(Generic[T]):
    """A source, what was last made of it, and why the newest was refused ("" if it was not)."""

    what: Reload
    value: T
    mark: Hashable = None
    problem: str = ""

    def refresh(self, mark: Hashable, make: Callable[[], T], shop: str, metrics: Metrics) -> bool:
        """Make a new value if the mark changed; on failure keep the old. Whether there is a new value."""
        if mark == self.mark:
            return False
        self.mark = mark  # also of a refused one: it is tried again when it changes, not every second
        try:
            self.value = make()
        except Exception as error:  # noqa: BLE001  # a file of any content must not end the watcher
            self.refuse(mark, error, shop, metrics)
            return False
        self.problem = ""
        return True

    def refuse(self, mark: Hashable, error: Exception, shop: str, metrics: Metrics) -> None:
        """Keep the old value, and tell why the one with this mark is not taken."""
        self.mark, self.problem = mark, f"{type(error).__name__}: {error}"
        metrics.reload_failed(self.what)
        _log.error("reload_refused", what=self.what, shop=shop, reason=self.problem)
