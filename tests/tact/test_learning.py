"""Progress of the verbs that learn: bars on a terminal, else lines on stderr."""

import pytest

from tact.learning import Lines, steps


def told(*calls: tuple[str, float]) -> list[str]:
    """The lines of some calls, a second between any two looks at the clock."""
    said: list[str] = []
    seconds = iter(range(100))
    lines = Lines(said.append, lambda: next(seconds))
    for name, share in calls:
        lines(name, share)
    lines.close()
    return said


def test_a_step_is_told_when_it_begins_and_when_it_is_done() -> None:
    assert told(("vectors", 0.0), ("vectors", 0.5), ("vectors", 1.0)) == ["vectors …", "vectors: 1.0 s"]
    assert told(("search", 0.5), ("search", 1.0), ("search", 1.0)) == ["search …", "search: 1.0 s"]


def test_a_step_may_come_again_or_hold_others_or_never_be_told_done() -> None:
    again = told(("items", 0.0), ("items", 1.0), ("items", 0.0), ("items", 1.0))
    assert again == ["items …", "items: 1.0 s"] * 2
    inner = told(("items", 0.0), ("ranker", 0.0), ("ranker", 1.0), ("items", 1.0))
    assert [line.split()[0] for line in inner] == ["items", "ranker", "ranker:", "items:"]
    assert told(("leaks", 0.1)) == ["leaks …", "leaks: 1.0 s"]


def test_without_a_terminal_steps_are_lines_on_stderr_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with steps() as progress:
        progress("stage", 0.0)
        progress("stage", 1.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "stage …" and captured.err.splitlines()[1].startswith("stage: 0.")


def test_a_step_that_fails_is_not_told_done(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        with steps() as progress:
            progress("stage", 0.0)
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fails()
    assert capsys.readouterr().err == "stage …\n"
