"""Uplift models in a bundle: what LightGBM says bit by bit, in every decision and every replay; damage is refused."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.record import hash64
from models import receipt as receipts
from models.arbitration import prior_draws
from models.bundle import InvalidBundle, Parts, encode, load, write
from models.bundle import decode as decode_bundle
from models.decision import decide
from models.modeltext import InvalidModel
from models.receipt import replay
from models.uplift import TREATED, Effect, decode
from tests.models.bundles import parts, vectors
from tests.models.deciding import Visitor, action, shop
from tests.models.uplifting import COLUMNS, boosters, effect, part

ROWS = vectors(200, seed=9)


def with_uplift(*actions: str) -> Parts:
    return replace(parts(), uplift=part(*actions))


def test_an_s_learner_s_effect_is_lightgbm_s_difference_bit_by_bit():
    (mu,) = boosters()["s"]
    one, none = (np.column_stack([ROWS, np.full(len(ROWS), value, np.float32)]) for value in (1, 0))
    expected = mu.predict(one, num_threads=1) - mu.predict(none, num_threads=1)
    assert np.array_equal(effect("s").predict(ROWS), expected)


def test_an_x_learner_s_effect_is_lightgbm_s_mixture_bit_by_bit():
    treated, silent = (booster.predict(ROWS, num_threads=1) for booster in boosters()["x"])
    assert np.array_equal(effect("x").predict(ROWS), 0.3 * silent + (1 - 0.3) * treated)


def test_a_bundle_gives_the_effects_by_the_actions_hashes(tmp_path: Path):
    write(tmp_path, with_uplift("chat", "badge"))
    bundle = load(tmp_path)
    for row in ROWS[:20]:
        expected = {
            hash64(name): float(effect(kind).predict(row[None])[0]) for name, kind in (("badge", "x"), ("chat", "s"))
        }
        assert bundle.uplift(row) == bundle.score(row).uplift == expected


def test_a_bundle_without_uplift_is_as_before(tmp_path: Path):
    identifier, files = encode(parts())
    assert "uplift.json" not in files
    assert decode_bundle(identifier, files).score(ROWS[0]).uplift == {}
    write(tmp_path, with_uplift("chat"))
    write(tmp_path, parts())
    assert not (tmp_path / "uplift.json").exists() and load(tmp_path).id == identifier


def test_the_same_effects_give_the_same_bundle():
    first, again = encode(with_uplift("a", "b"))[0], encode(with_uplift("a", "b"))[0]
    assert first == again != encode(with_uplift("a"))[0]
    assert decode(part("a", "b"), COLUMNS).effects.keys() == {"a", "b"}


def test_decisions_with_uplift_models_replay_to_the_same_bytes():
    """Nothing more is kept: the effect is worked out again from bundle and vector."""
    identifier, files = encode(with_uplift("x0", "x1"))
    policy = shop(*(action(f"x{i}", placements=["top", "side"], cost=0.1) for i in range(3)))
    bundle, again = decode_bundle(identifier, files), decode_bundle(identifier, files)
    draws, nets = prior_draws(policy), set()
    for number in range(100):
        visitor = Visitor()
        for event in range(number % 13 + 1):
            visitor = visitor.did("view_item", 2.0 * (14 - event), item_id=f"p{(event * 7 + number) % 6}")
        made = decide(visitor.on("product").inputs("top", "side", decision_id=f"d{number}"), bundle, policy, draws)
        kept = receipts.decode(receipts.encode(made))
        found = replay(kept, lambda i: again if i == identifier else None, lambda _: policy)
        assert found.identical, found.differs
        candidate = next(c for c in made.chosen[0].candidates if c.action == "x0")
        assert made.vector is not None
        assert candidate.probability == bundle.uplift(made.vector)[hash64("x0")]
        nets.add(candidate.net)
        for chosen in made.chosen:
            shares = [c.propensity for c in chosen.candidates if c.propensity is not None]
            assert sum(shares) + chosen.silence_propensity == pytest.approx(1, abs=1e-12)
    assert len(nets) > 1, "the effect never differed"


def test_another_bundle_s_effects_are_seen_by_a_replay():
    """The check can fail: with other trees the propensities differ."""
    policy = shop(action("x0", cost=0.1))
    (one, files), (other, others) = encode(with_uplift("x0")), encode(with_uplift("y", "x0"))
    inputs = Visitor().did("view_item", item_id="p1").on("product").inputs("top")
    kept = receipts.decode(receipts.encode(decide(inputs, decode_bundle(one, files), policy, prior_draws(policy))))
    changed = decode_bundle(other, others)
    assert not replay(kept, lambda _: changed, lambda _: policy).identical


def told(**changes: Any) -> str:
    """The part of one action, with keys of its entry changed."""
    text = json.loads(part("a"))
    text["actions"][0] |= changes
    return json.dumps(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "actions": []}',
        '{"format": 1, "actions": {}}',
        '{"format": 1, "actions": [3]}',
        told(kind="t"),
        told(kind="x"),
        told(kind=None),
        told(action=""),
        told(action=7),
        told(share=1.5),
        told(share="half"),
        told(share=True),
        told(trees=[]),
        told(trees=[5]),
        told(trees=["tree\n"]),
        told(trees=None),
        told(share=float("nan")),
    ],
)
def test_a_damaged_part_is_refused(text: str):
    with pytest.raises(InvalidModel):
        decode(text, COLUMNS)


def test_an_action_named_twice_is_refused():
    text = json.loads(part("a"))
    text["actions"] *= 2
    with pytest.raises(InvalidModel, match="names action 'a' twice"):
        decode(json.dumps(text), COLUMNS)


@pytest.mark.parametrize("columns", [COLUMNS[1:], (*COLUMNS[1:], COLUMNS[0]), (*COLUMNS, "more")])
def test_trees_of_other_columns_are_refused(columns: tuple[str, ...]):
    for kind in ("s", "x"):
        with pytest.raises(InvalidModel, match="other columns"):
            Effect.of(kind, 0.5, effect(kind).trees, columns)


def test_trees_without_the_treatment_are_no_s_learner():
    with pytest.raises(InvalidModel, match="other columns"):
        Effect.of("s", 0.5, effect("x").trees[:1], COLUMNS)
    assert effect("s").forests[0].names[-1] == TREATED


def test_a_bundle_with_a_damaged_part_is_refused_whole(tmp_path: Path):
    write(tmp_path, with_uplift("a"))
    data = (tmp_path / "uplift.json").read_bytes().replace(b"left_child=", b"left_child=9 ", 1)
    (tmp_path / "uplift.json").write_bytes(data)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"]["uplift.json"] = hashlib.sha256(data).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match="model"):
        load(tmp_path)


def test_serving_uplift_imports_no_lightgbm():
    code = "import sys, models.bundle, models.uplift; print(sorted({'lightgbm', 'sklearn'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr
