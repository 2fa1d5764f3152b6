"""docs/features.md says what features/schema.py says."""

from pathlib import Path

from features.schema import FEATURES

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_table_of_features_is_the_code_s_table():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    told = [(number.strip("| "), name.strip("`"), unit, meaning.rstrip(" |")) for number, name, unit, meaning in rows]
    assert told == [(str(i), f.name, f.unit, f.meaning) for i, f in enumerate(FEATURES)]


def test_there_are_at_least_48_features_and_each_is_named_once():
    names = [feature.name for feature in FEATURES]
    assert len(names) >= 48
    assert len(set(names)) == len(names)
