"""A closed gate."""

from typing import Final, NamedTuple


class Closed(NamedTuple):
    """A closed gate: its name, and why in words a shopkeeper reads."""

    gate: str
    detail: str


NO_HOPE: Final = Closed("no_hope", "hardly any draw of what is believed makes it worth more than silence here")
"""Closed by what was learned, not by a rule: exploring it costs, and is left to the arm of random visitors."""
