"""Uplift models from a shop's own log, through the command line: learned, gated, live, and rolled back."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from msgspec import structs
from typer.testing import CliRunner

from features import lakefile
from features.events import Row
from features.record import hash64
from features.schema import FEATURES
from models import bundle as bundles
from models import receipt as receipts
from models.arbitration import Draws, prior_draws
from models.bundle import Bundle
from models.decision import Decision, Known, decide
from models.effects import N_EFFECTS
from models.folders import Folder
from models.inputs import Inputs
from models.intent import INTENTS
from models.policy import load_policy
from models.registry import Registry
from models.uplift import Effect, encode
from service import audit
from service.settings import Settings
from tact import verb_learn, verb_promote, verb_publish, verb_rollback
from tact.receipts import Archive
from tact.verb_simulate import uplift_then
from tests.models.bundles import parts
from tests.models.deciding import NOW, Visitor, action, text_of
from tests.training.visits import HOUR, SHOP, decision_id, event, kept, shown
from training.moments import iso
from training.uplift import Tried, fit_s
from training.uplift_bundle import with_uplift, write_files
from training.whatif import decided_again

app = typer.Typer()
app.callback()(lambda: None)
for verb in (verb_learn, verb_promote, verb_publish, verb_rollback):
    verb.register(app)

POLICY = text_of(action("help", value=5, cost=0), exploration_floor=0.05)
UNTOLD = {"auc": None, "reason": "too few"}
ABOUT = {"shop": SHOP, "figures": {"intent": dict.fromkeys(INTENTS, UNTOLD), "stage": {}}}
VISITS = 5_000
HALF = NOW + VISITS // 2 * 10_000
CURIOUS = Visitor().did("view_item", 3, item_id="p1")
DECIDED = CURIOUS.did("search", 2).did("add_to_cart", 1, item_id="p1")
SEEN: tuple[Inputs, ...] = (CURIOUS.inputs("top"), DECIDED.inputs("top"))
"""The two halves of the visitors: their vectors tell them apart."""

Odds = tuple[tuple[float, float], tuple[float, float]]
"""Of an order, of each half: in silence, with the action."""
OPPOSITE: Odds = ((0.08, 0.30), (0.50, 0.30))
ALIKE: Odds = ((0.20, 0.30), (0.40, 0.50))


def logging_draws() -> Draws:
    """Draws by which the action is as likely as silence, so that both are seen."""
    table = np.random.default_rng(1).normal(0, 0.1, (1, N_EFFECTS, 512))
    return Draws.of(table.astype(np.float32))


@dataclass(frozen=True)
class Served:
    """A home with a live bundle, and the lake of its decisions."""

    home: Path
    live: Bundle

    def run(self, *arguments: str):
        env = {"TACT_HOME": str(self.home), "COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"}
        return CliRunner().invoke(app, list(arguments), env=env)

    @property
    def registry(self) -> Registry:
        return Registry(self.home / "registry")

    @property
    def folder(self) -> Path:
        return self.home / "uplift"


def logged(number: int, bundle: Bundle, draws: Draws) -> Decision:
    """A visit of the one half or the other, 10 seconds after the one before; the vector is that of the first."""
    who = {"visitor_id": f"v{number}", "decision_id": decision_id(number), "now_ms": NOW + number * 10_000}
    seen = SEEN[number % 2]
    return decide(structs.replace(seen, **who), bundle, load_policy(POLICY, "demo.yaml"), draws, Known.of(seen, bundle))


def visit(number: int, bundle: Bundle, draws: Draws, odds: Odds) -> tuple[Decision, list[Row]]:
    made = logged(number, bundle, draws)
    rows = shown(made)
    if hash64(f"{number}|orders") / 2**64 < odds[number % 2][made.chosen[0].action is not None]:
        rows.append(event("purchase", made, 20_000, order_id=f"o{number}", value=10.0))
    return made, rows


def served(home: Path, odds: Odds) -> Served:
    identifier, files = bundles.encode(parts(**ABOUT))
    bundles.write(home / "bundle", parts(**ABOUT))
    Registry(home / "registry").publish(home / "bundle", SHOP, "me", "first", NOW)
    bundle, draws = bundles.decode(identifier, files), logging_draws()
    visits = [visit(number, bundle, draws, odds) for number in range(VISITS)]
    rows = [row for _, several in visits for row in several]
    later_ms = NOW + VISITS * 10_000 + 2 * HOUR
    rows.append(Row(SHOP, "later", "later", later_ms, "page_view", received_ms=later_ms))
    lakefile.write_events(home / "lake", rows, "a")
    lakefile.write_decisions(home / "lake", [kept(made) for made, _ in visits], "a")
    (home / "policies").mkdir()
    (home / "policies" / "demo.yaml").write_text(POLICY)
    return Served(home, bundle)


@pytest.fixture(scope="module")
def opposite(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A shop whose action helps the curious and harms the decided, learned from the first half of its time."""
    shop = served(tmp_path_factory.mktemp("opposite"), OPPOSITE)
    result = shop.run("learn", "--until", iso(HALF), "--uplift", str(shop.folder), "--json", str(shop.home / "j.json"))
    assert result.exit_code == 0, result.output
    assert "let it go live: tact promote --policy" in result.output
    return shop


def test_whom_an_action_helps_is_learned_and_told_with_its_figures(opposite: Served) -> None:
    told = json.loads((opposite.home / "j.json").read_text())["uplift"]
    one = told["actions"]["help"]
    assert one["used"] in ("uplift_s", "uplift_x") and one["qini"][one["used"]]["above_response_ci"][0] > 0
    assert min(one["positives"].values()) >= 200 and one["used"] in one["choice"]
    made = bundles.load(opposite.folder)
    assert made.id == told["bundle"] and made.manifest["uplift"] == told["actions"]
    assert {name: sha for name, sha in made.manifest["files"].items() if name != "uplift.json"} == (
        opposite.live.manifest["files"]
    )
    effects = [made.uplift(Known.of(seen, made).vector)[hash64("help")] for seen in SEEN]
    assert effects[0] == pytest.approx(0.22, abs=0.08) and effects[1] == pytest.approx(-0.20, abs=0.08)


def test_the_same_lake_gives_the_same_bundle(opposite: Served) -> None:
    again = opposite.home / "again"
    assert opposite.run("learn", "--until", iso(HALF), "--uplift", str(again)).exit_code == 0
    assert bundles.load(again).id == bundles.load(opposite.folder).id


def test_it_passes_the_gate_of_receipts_goes_live_and_rolls_back(opposite: Served, tmp_path: Path) -> None:
    shutil.copytree(opposite.home / "registry", tmp_path / "registry")
    registry = Registry(tmp_path / "registry")
    of = ("--registry", str(tmp_path / "registry"))
    offer = ("promote", "--policy", str(opposite.folder), "--since", iso(HALF), *of)
    dry = opposite.run(*offer, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert registry.live(SHOP) == opposite.live.id
    result = opposite.run(*offer, "--why", "by half")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output and "passes" in result.output
    live = registry.live(SHOP)
    assert live == bundles.load(opposite.folder).id
    *_, line = audit.read(opposite.home)
    assert (line.what, line.target, line.before, line.after) == ("promote", "bundle", opposite.live.id, live)
    assert line.why == "by half"
    assert "is live for shop demo already" in opposite.run(*offer).output
    back = opposite.run("rollback", "--shop", SHOP, *of)
    assert back.exit_code == 0, back.output
    assert registry.live(SHOP) == opposite.live.id


def test_it_decides_otherwise_for_each_half_and_its_receipts_replay(opposite: Served) -> None:
    made, policy = bundles.load(opposite.folder), load_policy(POLICY, "demo.yaml")
    shares = [0, 0]
    for number in range(400):
        inputs = structs.replace(SEEN[number % 2], visitor_id=f"v{number}", decision_id=decision_id(number))
        now = decide(inputs, made, policy, prior_draws(policy))
        shares[number % 2] += now.chosen[0].action is not None
        found = receipts.replay(receipts.decode(receipts.encode(now)), {made.id: made}.get, lambda _: policy)
        assert found.identical, found.differs
    assert shares[0] > 180 and shares[1] < 20


def test_a_what_if_of_the_same_policy_keeps_what_the_bundle_s_uplift_models_decided(
    opposite: Served, tmp_path: Path
) -> None:
    settings, policy = Settings(home=tmp_path), load_policy(POLICY, "demo.yaml")
    Registry(settings.registry).publish(opposite.folder, SHOP, "me", "", NOW)
    made, draws = bundles.load(opposite.folder), prior_draws(policy)
    then = [receipts.decode(receipts.encode(decide(seen, made, policy, draws))) for seen in SEEN]
    for one in then:
        assert decided_again(one, policy, draws, uplift_then(one, Archive(settings))) == one.chosen
        gone = Archive(Settings(home=tmp_path / "elsewhere"))
        assert decided_again(one, policy, draws, uplift_then(one, gone)) != one.chosen


def test_publish_takes_it_though_no_later_session_compares_it(opposite: Served) -> None:
    result = opposite.run("publish", str(opposite.folder), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "only the uplift models differ" in result.output and "would pass" in result.output


def backwards(bundle: Bundle) -> Effect:
    """Trees of the opposite of the truth."""
    rows = np.arange(800)
    vectors = np.array([Known.of(seen, bundle).vector for seen in SEEN])[rows % 2]
    treated = rows % 4 < 2
    reward = (
        np.where(rows % 2 == 0, -0.3, 0.2) * treated
    )  # of different size: LightGBM never splits on what adds exactly 0
    columns = tuple(feature.name for feature in FEATURES)
    return fit_s(Tried(vectors, treated, np.full(len(rows), 0.5), reward, rows, columns), 1)


def test_models_that_say_the_opposite_are_refused_by_the_receipts(opposite: Served) -> None:
    """The gate can refuse: the action where it harms, silence where it helps."""
    swapped = opposite.home / "swapped"
    files = bundles.read_files(Folder(opposite.folder))[1]
    about = json.loads(files[bundles.MANIFEST])["uplift_from"]
    write_files(swapped, with_uplift(files, encode({"help": backwards(opposite.live)}), {}, about)[1])
    result = opposite.run("promote", "--policy", str(swapped), "--since", iso(HALF))
    assert result.exit_code == 1, result.output
    assert "refused the candidate is worse" in result.output
    assert opposite.registry.live(SHOP) == opposite.live.id


def test_judged_by_what_it_learned_from_it_is_warned_of(opposite: Served) -> None:
    result = opposite.run("promote", "--dry-run", "--policy", str(opposite.folder))
    assert "warning the candidate was learned from decisions up to" in result.output


def test_what_is_not_the_live_bundle_with_uplift_is_not_taken(opposite: Served) -> None:
    plain = opposite.run("promote", "--policy", str(opposite.home / "bundle"))
    assert plain.exit_code == 2 and "tact learn --uplift" in plain.output
    bundles.write(opposite.home / "other", parts(**ABOUT, seed=8))
    empty = opposite.home / "empty"
    Registry(empty).publish(opposite.home / "other", SHOP, "me", "", NOW)
    other = opposite.run("promote", "--policy", str(opposite.folder), "--registry", str(empty))
    assert other.exit_code == 2 and "its other models are not" in other.output


def test_without_a_live_bundle_there_is_nothing_to_add_uplift_to(opposite: Served) -> None:
    result = opposite.run("learn", "--uplift", str(opposite.home / "x"), "--registry", str(opposite.home / "none"))
    assert result.exit_code == 2 and "no bundle is live for shop 'demo'" in result.output


def test_a_shop_whose_action_does_the_same_for_all_gets_none(tmp_path: Path) -> None:
    shop = served(tmp_path, ALIKE)
    result = shop.run("learn", "--uplift", str(shop.folder))
    assert result.exit_code == 0, result.output
    assert "no action is given an uplift model: nothing is written" in result.output
    assert not shop.folder.exists()
