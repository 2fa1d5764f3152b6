"""Logs in the form of the Open Bandit data: the shared campaign as published figures have it, others in any form."""

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tact.cli import build
from training.open_bandit import NotBandit, Target, items_beside, logged, other_policy, read_items, read_log
from training.overlap import MIN_ESS

ITEMS = ("coat", "hat", "shoe", "scarf", "belt")
RATES = np.array([0.05, 0.30, 0.10, 0.20, 0.15])
UNIFORM, GREEDY = np.full(5, 0.2), np.array([0.1, 0.5, 0.1, 0.2, 0.1])
NAMES = ("item_id", "position", "click", "propensity_score", "user_feature_0")


def campaign(path: Path, policy: np.ndarray, seed: int, rows: int = 4_000, names: Sequence[str] = NAMES) -> Path:
    """A log of a policy over five items at three positions, its columns under these names, in this order."""
    random = np.random.default_rng(seed)
    shown, position = random.choice(5, rows, p=policy), random.integers(1, 4, rows)
    click = random.random(rows) < RATES[shown]
    values = {
        "item_id": [ITEMS[one] for one in shown],
        "position": position.tolist(),
        "click": click.astype(int).tolist(),
        "reward": [str(one) for one in click],
        "propensity_score": policy[shown].tolist(),
        "user_feature_0": [f"segment {one}" for one in random.integers(0, 3, rows)],
        "visitor_id": [f"v{at // 2}" for at in range(rows)],
        "": list(range(rows)),
    }
    known = {"arm": "item_id", "Slot": "position", "pscore": "propensity_score"}
    return written(path, {name: values[known.get(name, name)] for name in names})


def written(path: Path, columns: Mapping[str, Sequence[object]], separator: str = ",") -> Path:
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        out = csv.writer(file, delimiter=separator)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))
    return path


def tact(*arguments: object) -> Result:
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


@pytest.fixture
def bandit(shared_data: Path) -> Path:
    folder = shared_data / "open_bandit"
    if not folder.is_dir():
        pytest.skip(f"no Open Bandit data in {folder}")
    return folder


def test_the_random_log_tells_the_thompson_policy_s_value_of_the_mens_campaign(bandit: Path) -> None:
    random, thompson = (read_log(bandit / name / "men.csv.gz") for name in ("random", "bts"))
    found = other_policy(random, thompson)
    said = found.assessment.estimates
    assert [round(said[name].value, 4) for name in ("ips", "snips")] == [0.0057, 0.0057]
    assert said["dr"].value == pytest.approx(0.0058, abs=0.0002)
    assert said["dr"].low == pytest.approx(0.0032, abs=0.0006) and said["dr"].high > 0.0080
    assert round(found.assessment.overlap.ess) == 2939
    assert (found.on_policy.value, round(found.on_policy.low, 4), round(found.on_policy.high, 4)) == (
        pytest.approx(0.0069),
        0.0055,
        0.0087,
    )
    assert found.covers == dict.fromkeys(("ips", "snips", "dr", "switch"), True)


def test_the_thompson_log_cannot_tell_the_random_policy_s_value(bandit: Path) -> None:
    random, thompson = (read_log(bandit / name / "men.csv.gz") for name in ("random", "bts"))
    found = other_policy(thompson, random)
    assert round(found.assessment.overlap.ess) == 656
    assert found.assessment.estimates == {}
    assert found.assessment.refused == ("the effective sample size is 656 of 10,000 rows; 1,000 are needed",)


def test_both_directions_are_printed_and_written(bandit: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    logs = ("--log", bandit / "random" / "men.csv.gz", "--target", bandit / "bts" / "men.csv.gz")
    done = tact("evaluate", "off-policy", *logs, "--json", file)
    assert done.exit_code == 0, done.output
    assert "effective sample size 2,939 of 10,000" in done.output and "cannot say" in done.output
    figures = json.loads(file.read_text())
    assert figures["covers"]["dr"] and figures["refused"] == []
    assert figures["reverse"]["dr"] is None and figures["reverse"]["effective_sample_size"] == pytest.approx(655.71)


def test_a_campaign_with_other_names_and_another_order_gives_the_same(tmp_path: Path) -> None:
    other = ("", "pscore", "user_feature_0", "reward", "Slot", "arm")
    plain = [campaign(tmp_path / f"{name}.csv.gz", policy, 1) for name, policy in (("u", UNIFORM), ("g", GREEDY))]
    turned = [
        campaign(tmp_path / f"{name}2.csv", policy, 1, names=other) for name, policy in (("u", UNIFORM), ("g", GREEDY))
    ]
    one, two = (other_policy(*map(read_log, paths)) for paths in (plain, turned))
    assert one.assessment == two.assessment
    assert one.assessment.estimates["dr"].covers(float(GREEDY @ RATES))


def test_rows_of_a_visitor_are_counted_together(tmp_path: Path) -> None:
    uniform = campaign(tmp_path / "u.csv", UNIFORM, 1, names=(*NAMES, "visitor_id"))
    greedy = campaign(tmp_path / "g.csv", GREEDY, 2)
    found = other_policy(read_log(uniform), read_log(greedy)).assessment.overlap
    assert found.rows == 4_000 and MIN_ESS < found.visitors < 2_000


def test_a_policy_that_looks_at_nobody_is_known_from_one_row_an_item(tmp_path: Path) -> None:
    log = read_log(campaign(tmp_path / "g.csv", GREEDY, 3, rows=300))
    target = Target.of(log)
    assert target.items == tuple(sorted(ITEMS)) and target.positions == ("1", "2", "3")
    order = [ITEMS.index(item) for item in target.items]
    assert np.allclose(target.share, GREEDY[order])


def test_what_the_log_never_shows_is_refused(tmp_path: Path) -> None:
    narrow = np.array([0.5, 0.5, 0.0, 0.0, 0.0])
    found = other_policy(
        read_log(campaign(tmp_path / "n.csv", narrow, 1)), read_log(campaign(tmp_path / "u.csv", UNIFORM, 2))
    ).assessment
    assert found.overlap.unsupported == pytest.approx(0.6, abs=0.01)
    assert found.estimates == {} and "60.0% of the target's choices are never made in the log" in found.refused[0]


def test_a_position_that_the_target_s_log_does_not_have_is_unsupported(tmp_path: Path) -> None:
    both = campaign(tmp_path / "u.csv", UNIFORM, 1), campaign(tmp_path / "g.csv", GREEDY, 2)
    log, policy = map(read_log, both)
    one = read_log(written(tmp_path / "one.csv", {"item_id": ["hat"], "click": [0], "pscore": [1.0], "position": [1]}))
    assert logged(log, one).unsupported.mean() == pytest.approx((log.position != "1").mean())
    assert logged(log, policy).unsupported.max() == pytest.approx(0.0, abs=1e-12)


def test_items_that_no_log_shows_change_nothing(tmp_path: Path) -> None:
    log, policy = (
        read_log(campaign(tmp_path / "u.csv.gz", UNIFORM, 1)),
        read_log(campaign(tmp_path / "g.csv", GREEDY, 2)),
    )
    listed = written(tmp_path / "u_items.csv.gz", {"f": [1, 2, 3], "item_id": ["hat", "glove", "sock"]})
    assert items_beside(tmp_path / "u.csv.gz") == listed and items_beside(tmp_path / "g.csv") is None
    assert read_items(listed) == ("hat", "glove", "sock")
    more, fewer = (other_policy(log, policy, items).assessment for items in (read_items(listed), ()))
    assert more.overlap == fewer.overlap
    assert more.estimates["dr"].value == pytest.approx(fewer.estimates["dr"].value, rel=1e-9)


def test_rows_without_a_propensity_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = {"item": ["a", "b", "", "a"], "click": [1, "?", 0, 0], "prob": [0.5, 0.5, 0.5, ""]}
    with pytest.raises(NotBandit, match="3 of 4 rows have no item, no reward or no propensity"):
        read_log(written(tmp_path / "bad.csv", columns))
    better = {name: [*values, *([values[0]] * 9)] for name, values in columns.items()}
    log = read_log(written(tmp_path / "better.csv", better, separator=";"))
    assert (len(log), log.left_out) == (10, 3)


def test_a_tiny_log_is_refused_and_not_a_traceback(tmp_path: Path) -> None:
    log = written(tmp_path / "l.csv", {"item_id": ["a"], "click": [1], "propensity_score": [0.5]})
    done = tact("evaluate", "off-policy", "--log", log, "--target", log)
    assert done.exit_code == 0 and done.exception is None
    assert "the effective sample size is 1 of 1 rows" in done.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "has no column item_id (also read: action, item"),
        ("item_id,click\nx,1\n", "has no column propensity_score"),
        ("item_id,click,pscore\n", "has no rows"),
        ("", "cannot be read as a table"),
        ("item_id,click,pscore\nx,1,7\n", "1 of 1 rows have no item, no reward or no propensity from 0 to 1"),
    ],
)
def test_a_file_that_is_no_log_is_told_plainly(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    done = tact("evaluate", "off-policy", "--log", tmp_path / "bad.csv", "--target", tmp_path / "bad.csv")
    assert done.exit_code == 2 and words in " ".join(done.output.split())


def test_a_file_that_is_not_there_or_no_text_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 9)
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "bytes.csv"):
        done = tact("evaluate", "off-policy", "--log", path, "--target", path)
        assert done.exit_code == 2 and done.output.startswith("error"), done.output
