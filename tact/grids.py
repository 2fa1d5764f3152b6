"""Tables for a terminal of 80 columns: nothing is cut, and what must stay whole wraps last."""

from collections.abc import Collection
from typing import Final

from rich import box
from rich.table import Table

LONGEST_ID: Final = 40
"""An id longer than this is cut into lines."""


def grid(*heads: str, whole: Collection[str] = (), right: Collection[str] = (), title: str = "") -> Table:
    """A table of these heads. whole: those whose cells are not wrapped while others can be. right: those of figures."""
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    made.padding = (0, 1, 0, 0)
    for head in heads:
        made.add_column(head, overflow="fold", no_wrap=head in whole, justify="right" if head in right else "left")
    return made


def lined(identifier: str) -> str:
    """An id as a cell that is not wrapped: a very long one in several lines, so that none of it is lost."""
    return "\n".join(identifier[at : at + LONGEST_ID] for at in range(0, len(identifier), LONGEST_ID)) or identifier
