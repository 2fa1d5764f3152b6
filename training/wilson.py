"""Wilson's interval of a share: Wilson 1927, "Probable inference, the law of succession"."""

import math
from typing import Final

Z: Final = 1.959963984540054


def wilson(hits: int, of: int, z: float = Z) -> tuple[float, float]:
    """Ends of the interval of hits / of; (0, 1) where there is nothing. z: 1.96 for 95 %."""
    if of <= 0:
        return 0.0, 1.0
    rate, below = hits / of, 1.0 + z * z / of
    centre = rate + z * z / (2 * of)
    half = z * math.sqrt(rate * (1.0 - rate) / of + z * z / (4.0 * of * of))
    return max(0.0, (centre - half) / below), min(1.0, (centre + half) / below)
