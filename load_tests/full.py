"""What `tact bench --full` measures beyond a short run."""

from collections.abc import Mapping
from typing import Any

from load_tests.bench import Bench


def more(bench: Bench) -> Mapping[str, Any]:
    """Figures by name."""
    return {}
