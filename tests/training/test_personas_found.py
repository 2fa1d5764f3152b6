"""Finding personas: clusters that are there are found again, those that are not are not called stable."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from features.events import Row
from features.lakefile import write_events
from models.persona import Personas
from models.persona_files import live, publish
from tact.cli import build
from tests.training.logs import shop_rows
from training.lake import Log, load_log
from training.persona_find import TooFewVisitors, find
from training.persona_fit import choose, clusters, fit, matched, overlaps, rand_index, stability
from training.persona_profile import business_like
from training.persona_words import Words, name, title

MONDAY_MS = 1_767_571_200_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def blobs(k: int, each: int = 150, far: float = 6.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = np.eye(k, 6) * far
    return np.concatenate([m + rng.normal(size=(each, 6)) for m in middles])


def two_kinds(visitors: int = 300, seed: int = 1) -> list[Row]:
    """Half compare two products over days in the evening; half come once from mail by day, and some buy 5 at once."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(visitors):
        who, night = f"v{n}", n % 2 == 0
        start = (
            MONDAY_MS
            + int(rng.integers(0, 4)) * DAY_MS
            + (20 if night else 10) * HOUR_MS
            + int(rng.integers(0, 3600_000))
        )
        visits = [start + d * DAY_MS for d in range(1 + 2 * night)]
        k = 0
        for at in visits:
            for step in range(int(rng.integers(4, 8))):
                item = f"i{n % 5 + (step % 2 if night else step)}"
                told = {"channel": "direct" if night else "email", "device": "desktop"}
                rows.append(
                    Row(
                        "s",
                        who,
                        f"{who}-{k}",
                        at + step * (60_000 if night else 9_000),
                        "view_item",
                        item_id=item,
                        **told,
                    )
                )  # type: ignore[arg-type]
                k += 1
        if not night and n % 3 == 0:
            rows.append(
                Row("s", who, f"{who}-p", visits[-1] + 200_000, "purchase", item_id="i1", quantity=5, price=9.0)
            )
    return rows


def by_degrees(visitors: int) -> list[Row]:
    """Visitors of one kind, each with a pace, a length and a liking for the same product of their own."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(visitors):
        at, pace, same = MONDAY_MS + int(rng.integers(0, 7 * DAY_MS)), float(np.exp(rng.normal(3.5, 1.0))), rng.random()
        for k in range(int(rng.geometric(0.12)) + 3):
            item = f"i{n}-0" if rng.random() < same else f"i{rng.integers(1, 200)}"
            rows.append(Row("s", f"v{n}", f"v{n}-{k}", int(at), "view_item", item_id=item))
            at += 1000 * pace * rng.lognormal(0, 0.5)
    return rows


def log_of(folder: Path, rows: list[Row]) -> Log:
    write_events(folder, rows, "test")
    return load_log(folder, "s")


# indices


def test_the_rand_index_is_one_for_the_same_and_near_zero_by_chance() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 5000)
    assert rand_index(one, (one + 1) % 4) == pytest.approx(1.0)
    assert abs(rand_index(one, rng.integers(0, 4, 5000))) < 0.02


def test_the_rand_index_of_a_known_table() -> None:
    """Hubert & Arabie's formula by hand: 3 + 3 against 2 + 4 of six."""
    one, other = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 1])
    pairs, expected, most = 4, 6 * 7 / 15, (6 + 7) / 2
    assert rand_index(one, other) == pytest.approx((pairs - expected) / (most - expected))


def test_overlap_is_the_shared_part_of_both() -> None:
    assert overlaps(np.array([[2, 1], [0, 3]]))[0].tolist() == [2 / 3, 1 / 6]


# clusters


def test_clusters_that_are_there_are_found_and_called_stable() -> None:
    chosen, _ = choose(blobs(4), seed=1)
    assert (len(chosen.centres), chosen.verdict) == (4, "stable")
    assert min(chosen.stability.jaccard) > 0.9


def test_one_cloud_is_not_called_stable_kinds() -> None:
    points = np.random.default_rng(3).normal(size=(800, 6))
    chosen, tried = choose(points, seed=1)
    assert chosen.verdict != "stable" and all(one.verdict != "stable" for one in tried.values())


def test_the_same_points_and_seed_give_the_same_bytes() -> None:
    one, other = clusters(blobs(3), 3, 7), clusters(blobs(3), 3, 7)
    assert one.centres.tobytes() == other.centres.tobytes() and one.stability == other.stability


def test_the_largest_cluster_is_first_whatever_the_order_of_visitors() -> None:
    points = np.concatenate([blobs(3, 50), blobs(3, 200)[:200]])
    rng = np.random.default_rng(0)
    one = fit(points, 3, np.random.default_rng(1))
    other = fit(points[rng.permutation(len(points))], 3, np.random.default_rng(2))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_cluster_cut_out_of_a_cloud_has_a_low_figure_of_its_own() -> None:
    points = blobs(2, 300)
    told = stability(points, fit(points, 3, np.random.default_rng(1)), np.random.default_rng(2), 10)
    assert not told.stable


def test_points_that_are_all_the_same_do_not_break_it() -> None:
    chosen, _ = choose(np.zeros((300, 6)), seed=1)
    assert chosen.verdict != "stable"


def test_matching_pairs_those_that_share_most_and_leaves_new_ones() -> None:
    before = np.array([0] * 50 + [1] * 50)
    now = np.array([1] * 50 + [0] * 30 + [2] * 20)
    assert matched(now, before, 3) == {1: 0, 0: 1}


# of a log


def test_two_kinds_are_found_described_and_told_how_they_buy(tmp_path: Path) -> None:
    found = find(log_of(tmp_path, two_kinds()))
    told = found.personas.told
    assert found.stable
    by_mail = [one for one in told["personas"] if one["traits"]["mail"] == 1.0]
    by_night = [one for one in told["personas"] if one["traits"]["evening"] > 0.9]
    assert len(by_mail) + len(by_night) == len(told["personas"])  # none mixes the two
    assert sum(one["visitors"] for one in by_mail) == sum(one["visitors"] for one in by_night) == 150
    assert sum(one["buyers"] for one in by_mail) == 50 and not any(one["buyers"] for one in by_night)
    assert not any(one["business_like"] for one in by_night)
    assert told["everybody"]["how"]["order_value"] == 45.0 and told["everybody"]["how"]["several_units"] == 1.0


def test_names_stay_with_the_visitors_they_are_of(tmp_path: Path) -> None:
    log = log_of(tmp_path, two_kinds())
    first = find(log)
    renamed = replace(first.personas, names=tuple(f"kept-{n}" for n in range(len(first.personas.names))))
    again = find(log, seed=99, before=renamed)
    assert set(again.personas.names) == set(renamed.names)
    then = np.array([renamed.names.index(again.personas.names[code]) for code in again.codes])
    assert np.mean(then == first.codes) > 0.95
    assert all(row["since_before"] for row in again.personas.told["personas"])


def test_the_same_log_and_seed_give_the_same_bytes_in_any_order_of_files(tmp_path: Path) -> None:
    rows = two_kinds()
    one = find(log_of(tmp_path / "a", rows)).personas
    other = find(log_of(tmp_path / "b", rows[::-1])).personas
    assert one.dumps() == other.dumps()


def test_online_and_offline_personas_are_the_same(tmp_path: Path) -> None:
    log = log_of(tmp_path, two_kinds())
    found = find(log)
    for visitor in range(0, 300, 29):
        online = found.personas.of(log.records[log.visitor == visitor])
        assert online == found.personas.names[found.codes[visitor]]


def test_few_visitors_are_refused_with_their_number(tmp_path: Path) -> None:
    with pytest.raises(TooFewVisitors, match="10 of 10 visitors"):
        find(log_of(tmp_path, two_kinds(10)))
    with pytest.raises(TooFewVisitors, match="0 of 0"):
        find(load_log(tmp_path / "none", "s"))


def test_a_giant_session_and_a_log_of_views_only_work(tmp_path: Path) -> None:
    rows = [Row("s", "giant", f"g{n}", MONDAY_MS + n * 1000, "view_item", item_id="i") for n in range(3000)]
    rows += [
        Row("s", f"v{n}", f"v{n}-{k}", MONDAY_MS + n * 7000 + k * 1000 * (n % 9 + 1), "view_item", item_id=f"i{k}")
        for n in range(260)
        for k in range(3 + n % 4)
    ]
    told = find(log_of(tmp_path, rows)).personas.told
    assert told["verdict"] in ("stable", "not stable", "by degrees")
    assert "mail" not in told["traits"] and "carts" not in told["traits"]


# words


def test_a_name_is_an_adjective_and_a_noun_and_never_taken_twice() -> None:
    out = [
        ("evening", 1.0, Words("comes in the evening", "evening")),
        ("compares", 0.9, Words("goes back", "", "comparer")),
    ]
    assert name(out, []) == "evening-comparer" and name(out, ["evening-comparer"]) == "evening-comparer-2"
    assert name([], []) == "average-visitor" and title("evening-comparer") == "Evening comparer"


def test_business_like_needs_office_hours_and_several_units() -> None:
    all_ = {"how": {"in_office_hours": 0.3, "several_units": 0.05}}
    assert business_like({"how": {"in_office_hours": 0.8, "several_units": 0.4}}, all_)
    assert not business_like({"how": {"in_office_hours": 0.8, "several_units": 0.05}}, all_)
    assert not business_like({"how": None}, all_)


# the verb


def verb(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(), ["personas", *arguments])
    return done.exit_code, done.output


def test_the_verb_puts_stable_ones_in_use(tmp_path: Path) -> None:
    log_of(tmp_path / "lake", two_kinds())
    code, text = verb("--lake", str(tmp_path / "lake"), "--publish", "--json", str(tmp_path / "p.json"))
    assert code == 0 and "stable" in text
    in_use = live(tmp_path / "lake", "s")
    assert isinstance(in_use, Personas)
    assert json.loads((tmp_path / "p.json").read_text())["id"] == in_use.id


def test_the_verb_refuses_to_put_unstable_ones_in_use(tmp_path: Path) -> None:
    rows = by_degrees(230)
    log_of(tmp_path / "lake", rows)
    code, text = verb("--lake", str(tmp_path / "lake"), "--publish")
    assert code == 1 and "not put in use" in text and live(tmp_path / "lake", "s") is None


def test_the_verb_says_that_there_are_too_few(tmp_path: Path) -> None:
    write_events(tmp_path / "lake", shop_rows(20), "test")
    code, text = verb("--lake", str(tmp_path / "lake"))
    assert code == 1 and "personas need 200" in text


def test_publishing_again_keeps_the_earlier_file(tmp_path: Path) -> None:
    one = find(log_of(tmp_path / "log", two_kinds())).personas
    others = tuple(f"x{n}" for n in range(len(one.names)))
    first, second = publish(tmp_path, one), publish(tmp_path, replace(one, names=others))
    assert first.exists() and second.exists() and first != second
    now = live(tmp_path, "s")
    assert now is not None and now.names == others
