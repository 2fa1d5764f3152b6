"""A truth file is refused with every problem and its line; those that come along are whole."""

from pathlib import Path

import pytest

from training.truth import FOLDER, Drift, TruthError, load_truth, read_truth

TEXT = (FOLDER / "small.yaml").read_text()


def problems(text: str) -> list[str]:
    with pytest.raises(TruthError) as refused:
        load_truth(text, "t.yaml")
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_truth_that_comes_along_is_valid_and_named_as_its_file(path: Path) -> None:
    assert read_truth(path).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "visits_per_day: 150",
            "visits_per_dya: 150",
            "unknown field 'visits_per_dya'; did you mean 'visits_per_day'?",
        ),
        ("order_value: 30", "", "'order_value' is missing"),
        ("order_value: 30", "order_value: much", "expected a number, found 'much'"),
        ("share: 0.5", "share: 0.6", "the shares of the personas sum to 1.1 instead of 1"),
        ("awareness: 0.50,", "awareness: 0.70,", "the shares of `start` sum to 1.2 instead of 1"),
        ("kind: badge", "kind: badger", "unknown 'badger'"),
        ("placements: [product]", "placements: [cellar]", "unknown placement 'cellar'; the file has shelf, product"),
        ("- id: trust", "- id: picks", "action 'picks' stands twice"),
        ("dismissal: 0.08", "dismissal: 0.95", "`click` and `dismissal` together are above 1"),
        ("answers: {recommend: 1.3, chat: 0.5}", "answers: {magic: 2}", "`answers` names 'magic'"),
        ("loyalty: {consideration: 0.15, evaluation: 0.05, loyalty: 0.80}", "", "'loyalty' is missing"),
        (
            "{id: shelf, stages: {awareness: 1.0,",
            "{id: shelf, stages: {awareness: 0.5,",
            "shares of awareness sum to 0.5",
        ),
        ("hesitation: 0.026", "hesitation: 26", "26 is not from -1 to 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, said: str) -> None:
    assert old in TEXT
    found = problems(TEXT.replace(old, new, 1))
    assert any(said in problem and problem.startswith("t.yaml:") for problem in found), found


def test_all_problems_are_told_together() -> None:
    assert len(problems(TEXT.replace("order_value: 30", "").replace("kind: badge", "kind: x"))) == 2


@pytest.mark.parametrize("text", ["", "[]", "a: [", "just words", "name: &a [*a]"])
def test_what_is_no_truth_at_all_is_told_too(text: str) -> None:
    assert problems(text)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "bytes.yaml"):
        with pytest.raises(TruthError):
            read_truth(path)


def test_effects_change_over_time_as_their_shape_says() -> None:
    step, fade, sine = Drift("step", -0.5, 9), Drift("fade", 0.0, 2, 6), Drift("sine", 0.2, 0, 40)
    assert [step.at(day) for day in (0, 8.9, 9, 30)] == [1, 1, -0.5, -0.5]
    assert [fade.at(day) for day in (0, 2, 8, 14)] == pytest.approx([1, 1, 0.5, 0.25])
    assert [sine.at(day) for day in (0, 10, 20, 40)] == pytest.approx([1, 0.6, 0.2, 1])
