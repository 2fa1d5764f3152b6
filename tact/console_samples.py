"""The last hour of the install's metrics, taken every few seconds from /metrics: the charts of the console's health."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.figures import series, summed
from service.settings import Settings
from tact.supervisor import get, reachable

EVERY_S: Final = 10.0
KEPT: Final = 360
"""An hour."""
RECENT: Final = 31
"""Five minutes."""


@dataclass
class Samples:
    """What /metrics said, oldest first."""

    settings: Settings
    _taken: "deque[dict[str, Any]]" = field(default_factory=lambda: deque(maxlen=KEPT))

    def follow(self, stop: threading.Event) -> None:
        """Takes a sample every EVERY_S until `stop`."""
        while not stop.wait(EVERY_S):
            status, page = get(reachable(self.settings.host), self.settings.port, "/metrics")
            if status == 200:
                self._taken.append({"at_ms": int(1000 * time.time()), **summed(page)})

    def told(self) -> Mapping[str, Any]:
        """{every_s, series: as service/figures.py has it, recent: the samples of the last minutes}."""
        taken = list(self._taken)
        return {"every_s": EVERY_S, "series": series(taken), "recent": taken[-RECENT:]}
