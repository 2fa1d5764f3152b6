"""The traffic model draws what its parameters say, and the fit finds parameters again that were put in."""

import numpy as np
import pytest
from scipy.stats import norm

from load_tests import fit_traffic
from load_tests.traffic import SESSION_GAP_S, Traffic, sessions, steady, visits_shares

N = 200_000


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(params=["yc", "rr"])
def traffic(request: pytest.FixtureRequest) -> Traffic:
    return Traffic.of(request.param)


def test_session_lengths_are_a_log_normal_rounded_up(traffic: Traffic) -> None:
    lengths = traffic.lengths(rng(), N)
    for at in (1, 2, 5, 20):
        theirs = norm.cdf((np.log(at) - traffic.length_mu) / traffic.length_sigma)
        assert (lengths <= at).mean() == pytest.approx(theirs, abs=0.005)
    assert lengths.min() == 1


def test_thinking_is_a_log_normal_that_ends_with_the_session(traffic: Traffic) -> None:
    pauses_s = traffic.thinks_s(rng(), N)
    whole = norm.cdf((np.log(SESSION_GAP_S) - traffic.think_mu) / traffic.think_sigma)
    for at_s in (5.0, 60.0, 600.0):
        theirs = norm.cdf((np.log(at_s) - traffic.think_mu) / traffic.think_sigma) / whole
        assert (pauses_s <= at_s).mean() == pytest.approx(theirs, abs=0.005)
    assert pauses_s.max() < SESSION_GAP_S


def test_products_follow_their_power_law(traffic: Traffic) -> None:
    drawn = traffic.items(rng(), N, 10_000)
    shares = np.bincount(drawn, minlength=10_000) / N
    assert np.abs(np.cumsum(shares) - np.cumsum(traffic.item_shares(10_000))).max() < 0.005


def test_visitors_come_as_often_as_their_law_says(traffic: Traffic) -> None:
    visits = np.bincount(traffic.visitors(rng(), N))
    for times in (1, 2, 3):
        assert (visits == times).mean() == pytest.approx(visits_shares(traffic.visitor_exponent)[times - 1], abs=0.005)


def test_the_same_seed_gives_the_same_traffic(traffic: Traffic) -> None:
    one, same, other = (sessions(traffic, 500, 600.0, 1000, seed) for seed in (1, 1, 2))
    assert (one.item == same.item).all()
    assert (one.at_s == same.at_s).all()
    assert one.item[:100].tolist() != other.item[:100].tolist()


def test_a_window_has_the_rate_that_was_asked_for_and_knows_what_its_visitors_did_before() -> None:
    before, inside = steady(Traffic.of(), 200.0, 20.0, 5000, 3)
    assert len(inside) == pytest.approx(200 * 20, rel=0.1)
    assert before.at_s.max() < 0 <= inside.at_s.min()
    assert set(before.visitor.tolist()) <= set(inside.visitor.tolist())
    assert (inside.place > 0).mean() > 0.5  # most are under way: a shop that has been open for long


def test_the_fit_finds_what_was_put_in() -> None:
    put = Traffic.of("rr")
    length, far = fit_traffic.length_law(put.lengths(rng(), N))
    assert (length["length_mu"], length["length_sigma"]) == pytest.approx((put.length_mu, put.length_sigma), abs=0.05)
    assert far < 0.01
    think, _ = fit_traffic.think_law(put.thinks_s(rng(), N))
    assert think["think_mu"] == pytest.approx(put.think_mu, abs=0.05)
    item, _ = fit_traffic.item_law(np.bincount(put.items(rng(), N, 5000)))
    assert item["item_exponent"] == pytest.approx(put.item_exponent, abs=0.08)
    visitor, _ = fit_traffic.visitor_law(np.bincount(put.visitors(rng(), N)))
    assert visitor["visitor_exponent"] == pytest.approx(put.visitor_exponent, abs=0.08)
