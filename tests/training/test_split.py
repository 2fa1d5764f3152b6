import numpy as np
import pytest

from training.moments import iso, parse_moment
from training.split import TooLittleData, Window, split

HALF_HOUR = 30 * 60_000


def test_the_window_holds_its_start_and_not_its_end() -> None:
    assert Window(10, 20).holds(np.array([9, 10, 19, 20])).tolist() == [False, True, True, False]


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="begin before it ends"):
        Window(20, 20)


def test_the_rows_held_back_are_the_last_sessions_and_no_session_is_cut() -> None:
    start = np.repeat(np.arange(100) * 1_000_000, 3)
    found = split(start, start + 1000, Window(0, 200_000_000))
    assert not (found.fit & found.hold).any()
    assert start[found.fit].max() < start[found.hold].min()
    assert len(np.unique(start[found.hold])) == 20


def test_sessions_that_were_not_over_at_the_windows_end_are_left_out() -> None:
    start = np.arange(100) * 1_000_000
    end = start.copy()
    end[98] = 99_000_000 - HALF_HOUR + 1
    found = split(start, end, Window(0, 99_000_000))
    over = end + HALF_HOUR <= 99_000_000
    assert found.train.tolist() == (over & (start < 99_000_000)).tolist()
    assert not found.train[98]


def test_too_few_sessions_are_refused_with_their_number() -> None:
    with pytest.raises(TooLittleData, match="9 whole sessions"):
        split(np.arange(9) * 1000, np.arange(9) * 1000, Window(0, 10**9))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2014-08-01", 1_406_851_200_000),
        ("2015-06-04T06:00", 1_433_397_600_000),
        ("2015-06-04T06:00Z", 1_433_397_600_000),
        ("2015-06-04T08:00+02:00", 1_433_397_600_000),
        ("1433397600", 1_433_397_600_000),
        ("1433397600000", 1_433_397_600_000),
        ("1433397600.5", 1_433_397_600_500),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, ms: int) -> None:
    assert parse_moment(text) == ms
    assert parse_moment(iso(ms)) == ms


@pytest.mark.parametrize("text", ["-1", "1e30", "nan", "inf"])
def test_a_number_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1970 to 9999"):
        parse_moment(text)


def test_a_moment_that_is_none_says_what_would_be_understood() -> None:
    with pytest.raises(ValueError, match="is no date or time like"):
        parse_moment("yesterday")
