"""A script as it is sent: without its comments and indentation. Only whole lines are looked at, so that no text in
quotes, no regular expression and no template can be taken for a comment: what is left is the source, line by line.
"""

from collections.abc import Iterator


def strip(source: str) -> str:
    """The script without comments that have their lines to themselves, without indentation and empty lines."""
    return "\n".join(_lines(source)) + "\n"


def _lines(source: str) -> Iterator[str]:
    inside = False
    for line in map(str.strip, source.splitlines()):
        if inside or line.startswith("/*"):
            inside = not line.endswith("*/")
        elif line and not line.startswith("//"):
            yield line
