"""`tact bench` from end to end, small: a real service on a real server, every row, its figures and the table."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from load_tests.bench import FIXED_PER_S, Plan
from load_tests.bench_shop import Shop, Size, products, upload
from load_tests.policy import ACTIONS, SHOP, policy
from load_tests.recommend_bench import constant
from load_tests.results import HEAD, keep, rows_of
from load_tests.rows import BY_NAME, FEW
from load_tests.run import plan_of, run
from models import bundle
from models.policy import load_policy
from models.registry import Registry

MOMENT = Plan(1, 0.3, 0.3, 0.5, 1, FEW, 0.0, ("floor_b", "floor_c", "decision", "events"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run of a moment found, in a shop whose models say the same of everybody."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "bundle").mkdir()
    bundle.write(folder / "bundle", constant())
    Registry(folder / "registry").publish(folder / "bundle", SHOP, by="test", note="", at_ms=1)
    (folder / "policies").mkdir()
    (folder / "policies" / f"{SHOP}.yaml").write_text(policy())
    shop = Shop(folder / "registry", folder / "policies", upload(products(Size(100))), 100)
    return run(folder, 1.0, lambda what, seconds: None, feast=False, shop=shop, plan=MOMENT)


def test_every_row_is_measured_and_answered(found: dict[str, Any]) -> None:
    for name in MOMENT.rows:
        assert found[name]["throughput"] > 0, name
        assert ("p99_ms" in found[name]) == BY_NAME[name].latency, name
    wrong = [told for told in found["about"]["problems"] if "wrong" in told or "unsent" in told]
    assert not wrong


def test_figures_have_a_spread_and_the_ratio_to_floor_b(found: dict[str, Any]) -> None:
    decision = found["decision"]
    low, high = decision["throughput_ci"]
    assert low <= decision["throughput"] <= high
    assert decision["throughput_over_floor_b"] > 0
    assert found["fixed"]["throughput"] > 0
    assert FIXED_PER_S == 1000


def test_a_result_says_what_was_measured_where_and_when(found: dict[str, Any], tmp_path: Path) -> None:
    path = keep(found, tmp_path)
    about = json.loads(path.read_text())["about"]
    assert about["machine"]["cores"] == os.cpu_count()
    assert about["date"].endswith("+00:00")
    assert 0 <= about["others_share"] <= 1
    assert about["commit"] in path.name


def test_the_table_has_a_line_for_each_row_and_says_that_feast_was_left_out(found: dict[str, Any]) -> None:
    lines = rows_of(found)
    assert len(lines) == len(MOMENT.rows) + 1
    assert all(len(line) == len(HEAD) for line in lines)
    assert lines[-1][1] == "not measured: left out"


def test_the_policy_has_twenty_messages_for_one_placement() -> None:
    made = load_policy(policy(), f"{SHOP}.yaml")
    assert len(made.at["page.message"]) == ACTIONS == 20


def test_less_time_measures_less() -> None:
    whole, half, moment = (plan_of(seconds) for seconds in (300.0, 150.0, 1.0))
    assert 200 < whole.seconds < 400
    assert moment.seconds < half.seconds < whole.seconds


def test_its_help_says_what_it_does() -> None:
    said = subprocess.run([sys.executable, "-m", "tact", "bench", "--help"], capture_output=True, text=True, check=True)
    assert "floors" in said.stdout
    assert "--full" in said.stdout


def test_without_the_source_it_says_what_to_run(tmp_path: Path) -> None:
    """Only the packages that are installed, in another folder: load_tests is not among them."""
    root = Path(__file__).parents[2]
    for name in ("features", "models", "service", "tact"):
        (tmp_path / name).symlink_to(root / name)
    said = subprocess.run(
        [sys.executable, "-m", "tact", "bench"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TACT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert "./dev bench" in said.stderr
