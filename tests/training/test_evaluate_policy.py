"""`tact evaluate policy`: the learning policy beside others on simulated visits, as a table, JSON and a page."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tact.cli import build
from training import shop_vw
from training.shop_contest import Run, figures, run
from training.truth import FOLDER, read_truth

HARMFUL = read_truth(FOLDER / "harmful.yaml")


def tact(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["evaluate", "policy", *arguments])


@pytest.fixture(scope="module")
def learned() -> Run:
    return run(HARMFUL, 20_000, 1, lambda name, share: None, ("silence", "oracle", "tact", "priority", "click_rate"))


@pytest.mark.slow
def test_where_most_messages_harm_ours_soon_does_little_harm_and_those_that_always_show_go_on(learned: Run) -> None:
    late = {name: learned.share(name, 10_000, 20_000) for name in learned.earned}
    assert late["tact"] > -0.5
    assert late["silence"] == 0
    assert late["oracle"] == 1
    assert late["priority"] < -1
    assert late["click_rate"] < -1


@pytest.mark.slow
def test_figures_tell_shares_at_checkpoints_the_lowest_stretch_and_regret(learned: Run) -> None:
    found = figures(HARMFUL, [learned])
    ours = found["players"]["tact"]
    assert list(ours["now"]) == ["5000", "20000"]
    assert ours["now"]["20000"]["mean"] == pytest.approx(learned.share("tact", 15_000, 20_000))
    assert found["players"]["silence"]["lowest_after_warm_up"] == 0
    assert found["players"]["priority"]["lowest_after_warm_up"] < -1
    regret = found["players"]["silence"]["curve"]["regret"]
    assert regret[0] == 0
    assert regret[-1] == pytest.approx(float(learned.gain("oracle").sum()), rel=0.01)


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [run(HARMFUL, 1000, 1, lambda name, share: None, ("silence", "tact")) for _ in range(2)]
    assert runs[0].earned["tact"].value.tolist() == runs[1].earned["tact"].value.tolist()


def test_the_verb_writes_a_table_the_figures_and_a_page(tmp_path: Path) -> None:
    out, html = tmp_path / "f.json", tmp_path / "p.html"
    told = tact("--truth", "small", "--decisions", "6000", "--seeds", "2", "--json", str(out), "--html", str(html))
    assert told.exit_code == 0, told.output
    assert "Tact" in told.output
    found = json.loads(out.read_text())[0]
    assert found["truth"] == "small"
    assert found["seeds"] == [1, 2]
    assert found["players"]["oracle"]["now"]["5000"]["mean"] == pytest.approx(1)
    page = html.read_text()
    assert "<svg" in page
    assert "simulated" in page


def test_a_truth_that_is_wrong_or_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text((FOLDER / "small.yaml").read_text().replace("order_value: 30", "order_value: much"))
    told = tact("--truth", str(bad), "--truth", "nowhere")
    assert told.exit_code == 2
    assert "bad.yaml:5:" in told.output + told.stderr
    assert "nowhere" in told.output + told.stderr


def test_without_vowpal_wabbit_it_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_vw.importlib.util, "find_spec", lambda name: None)
    found = figures(HARMFUL, [run(HARMFUL, 1000, 1, lambda name, share: None, ("silence", "oracle", "vowpal_wabbit"))])
    assert found["skipped"] == {"vowpal_wabbit": "vowpalwabbit is not installed"}
    assert "vowpal_wabbit" not in found["players"]
