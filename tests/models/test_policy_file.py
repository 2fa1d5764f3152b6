"""Reading a file's text: lines are right, and no file can hang, fill the memory or run code."""

import time
from itertools import pairwise

import pytest

from models.policy_file import MAX_BYTES, PolicyError, decoded, parse


def refused(text: str, name: str = "p.yaml") -> str:
    with pytest.raises(PolicyError) as caught:
        parse(text, name)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_every_value_knows_its_line_and_column():
    root, _ = parse("a: 1\nb:\n  - c: two\n    d: [3, 4]\n", "p.yaml")
    node = root.get("b", 0, "d", 1)
    assert node is not None
    assert (node.value, node.line, node.column) == (4, 4, 12)


def test_no_is_a_locale_and_not_false():
    root, _ = parse("no: {yes: on}\nt: true\nn: ~\nh: 22:00\ni: 017\n", "p.yaml")
    values = {key: node.value for key, node in root.value.items()}
    assert {"t": True, "n": None, "h": "22:00"}.items() <= values.items()
    assert values["no"].keys() == {"yes"}
    assert values["no"]["yes"].value == "on"


def test_an_alias_stands_for_its_anchor():
    root, _ = parse("a: &x {k: v}\nb: *x\n", "p.yaml")
    assert root.get("b", "k").value == "v"


def test_an_alias_bomb_is_refused_at_once():
    levels = "abcdefghij"
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(levels)
    )
    began = time.process_time()
    assert "aliases count each time" in refused(bomb)
    assert time.process_time() - began < 1


def test_an_alias_to_itself_is_refused():
    assert "no finished anchor" in refused("a: &a [*a]")


def test_a_deep_file_is_refused_in_both_formats():
    assert "nested deeper" in refused("[" * 5000)
    assert "p.toml" in refused("a = " + "[" * 5000, "p.toml")
    assert "nested deeper" in refused("a = " + "[" * 40 + "]" * 40, "p.toml")


def test_a_huge_file_is_refused_by_its_size():
    assert f"{MAX_BYTES:,}" in refused("#" * (MAX_BYTES + 1))


def test_a_tag_that_would_run_code_is_refused_with_its_place():
    assert refused("a: 1\nb: !!python/object/apply:os.system [x]").startswith("p.yaml:2:")


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "a: [1", "a: b: c", "\ta: 1", "a: \x01", "? [1]\n: 2", "a: 1\n---\nb: 2"]
)
def test_what_is_not_one_yaml_document_of_named_values_is_refused(text):
    assert refused(text).startswith("p.yaml:")


def test_a_key_that_stands_twice_is_told_with_both_lines_and_reading_goes_on():
    root, repeated = parse("a: 1\nb: 2\na: 3\nb: 4\n", "p.yaml")
    assert [str(p) for p in repeated] == [
        "p.yaml:3:1: 'a' stands twice; first at line 1",
        "p.yaml:4:1: 'b' stands twice; first at line 2",
    ]
    assert root.get("b") is not None


def test_toml_values_know_the_line_of_their_key():
    first = 'a = 1\n\n[[actions]]\nid = "x"\n[actions.caps]\nper_day = 2\n\n'
    text = first + '[[actions]]\nid = "y"\nlist = [\n  1,\n  2,\n]\n'
    root, _ = parse(text, "p.toml")
    assert root.get("actions", 0, "caps", "per_day").line == 6
    assert root.get("actions", 1, "id").line == 9
    assert root.get("actions", 1, "list", 1).line == 10


def test_toml_errors_have_their_line():
    assert refused("a = 1\nb = = 2\n", "p.toml").startswith("p.toml:2:")
    assert refused("a = 1\na = 2\n", "p.toml").startswith("p.toml:")


def test_toml_dates_are_read_as_their_text():
    root, _ = parse("to = 2027-01-31\n", "p.toml")
    assert root.get("to").value == "2027-01-31"


def test_bytes_that_are_no_text_are_refused_with_their_line():
    with pytest.raises(PolicyError) as caught:
        decoded(b"shop: a\nlocales: \xff", "p.yaml")
    assert str(caught.value) == "p.yaml:2: the file is not valid UTF-8"


def test_line_ends_of_another_system_are_those_of_the_text():
    assert decoded("shop: é\r\nx\ry\n".encode(), "p.yaml") == "shop: é\nx\ny\n"
