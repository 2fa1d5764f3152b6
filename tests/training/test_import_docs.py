"""docs/import.md lists what there is."""

import re
from pathlib import Path

from training.importers import PRESETS
from training.importers.convert import REASONS, WARNINGS
from training.importers.names import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")


def tables() -> dict[str, dict[str, str]]:
    """The page's tables by the head of their first column: first column to second."""
    found: dict[str, dict[str, str]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        found[rows[0][0]] = {row[0]: row[1] for row in rows[2:]}
    return found


def test_every_reason_and_warning_is_listed_with_its_meaning() -> None:
    assert tables()["reason"] == {f"`{reason}`": text for reason, text in REASONS.items()}
    assert tables()["warning"] == {f"`{warning}`": text for warning, text in WARNINGS.items()}


def test_every_field_and_preset_is_listed() -> None:
    listed = re.findall(r"`(\w+)`", " ".join(tables()["field"]))
    assert sorted(listed) == sorted(FIELDS)
    assert [name.strip("`") for name in tables()["preset"]] == [*PRESETS, "general"]
