"""docs/simulation.md says what the truth file's tables in the code say."""

import re
from pathlib import Path

from training.truth import sections

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def test_every_field_of_every_table_is_told_with_its_meaning() -> None:
    for title, table in sections():
        found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
        assert found, title
        lines = [[c.strip() for c in line.strip("|").split("|")] for line in found[1].splitlines() if "| `" in line]
        told = [(name.strip("`"), bool(must), meaning) for name, must, meaning in lines]
        assert told == [(f.name, f.required, f.doc) for f in table.fields], title
