"""A closed gate."""

from typing import NamedTuple


class Closed(NamedTuple):
    """A closed gate: its name, and why in words a shopkeeper reads."""

    gate: str
    detail: str
