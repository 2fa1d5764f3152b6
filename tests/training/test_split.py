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
    found = split(start, start + 1000, np.repeat(np.arange(100), 3), Window(0, 200_000_000))
    assert not (found.fit & found.hold).any()
    assert start[found.fit].max() < start[found.hold].min()
    assert len(np.unique(start[found.hold])) == 20


def test_sessions_that_were_not_over_at_the_windows_end_are_left_out() -> None:
    start = np.arange(100) * 1_000_000
    end = start.copy()
    end[98] = 99_000_000 - HALF_HOUR + 1
    found = split(start, end, np.arange(100), Window(0, 99_000_000))
    over = end + HALF_HOUR <= 99_000_000
    assert found.train.tolist() == (over & (start < 99_000_000)).tolist()
    assert not found.train[98]


def test_too_few_sessions_are_refused_with_their_number() -> None:
    with pytest.raises(TooLittleData, match="9 whole sessions"):
        split(np.arange(9) * 1000, np.arange(9) * 1000, np.arange(9), Window(0, 10**9))


def test_sessions_that_start_together_are_counted_one_by_one() -> None:
    """A log of days: twenty sessions begin at each midnight, and a fifth of the sessions is held back all the same."""
    start = np.repeat(np.arange(15) * 86_400_000, 20)
    session = np.random.default_rng(1).permutation(300)
    found = split(start, start, session, Window(0, 20 * 86_400_000))
    assert int(found.hold.sum()) == 60
    assert start[found.fit].max() <= start[found.hold].min()
    one_day = split(np.zeros(50, np.int64), np.zeros(50, np.int64), np.arange(50), Window(0, 86_400_000))
    assert (int(one_day.fit.sum()), int(one_day.hold.sum())) == (40, 10)


def test_too_few_sessions_say_where_the_log_has_some() -> None:
    with pytest.raises(TooLittleData, match=r"1970-01-01T00:00:00\.000Z to 1970-01-01T00:00:00\.008Z"):
        split(np.arange(9), np.arange(9), np.arange(9), Window(10**9, 10**10))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2014-08-01", 1_406_851_200_000),
        ("20140801", 1_406_851_200_000),
        ("20149999", 20_149_999_000),
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
