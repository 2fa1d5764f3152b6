"""`tact learn`: what the lake says each message adds over silence, and a candidate made of it."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from models.policy_terms import Policy
from models.registry import Registry
from tact import uplifts
from tact.console import console, fail, load_settings
from tact.grids import grid
from tact.learning import MOMENT, LakeOption, RegistryOption, ShopOption, shop_of, span_of, steps, told_plainly
from tact.outputs import FiguresOption, file_to_write, folder_to_write, write_text
from tact.policies import policy_of
from tact.uplifts import LiveBundle
from training.candidate import Candidate
from training.learn_policy import Effect, Lessons, effects
from training.learn_uplift import Log, learn_uplift
from training.moments import iso
from training.trials import LakeTrials, receipts


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("learn")(learn)


def learn(
    lake: LakeOption = None,
    shop: ShopOption = "",
    policy: Annotated[Path | None, typer.Option("--policy", help="Default: the shop's live policy.")] = None,
    since: Annotated[str, typer.Option("--since", help=f"Decisions from. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Decisions before. {MOMENT}")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the candidate. Default: candidates/SHOP-ID in TACT_HOME.")
    ] = None,
    uplift: Annotated[
        Path | None,
        typer.Option(
            "--uplift", help="Learn uplift models too: folder of the live bundle with those that were chosen."
        ),
    ] = None,
    registry: RegistryOption = "",
    json_file: FiguresOption = None,
) -> None:
    """Learn what each message adds over silence, and write it as a candidate for `tact promote`."""
    settings = load_settings()
    span = span_of(since, until)
    file_to_write(json_file, "--json")
    folder_to_write(out if out is not None else settings.home / "candidates", "--out")
    if uplift is not None:
        folder_to_write(uplift, "--uplift")
    root = lake if lake is not None else settings.lake
    shop = shop_of(root, shop)
    about = policy_of(settings, shop, policy)
    with told_plainly():
        bundle = LiveBundle.of(Registry(registry or settings.registry), shop) if uplift is not None else None
    log = Log(tuple(action.id for action in about.actions) if uplift is not None else ())
    trials = LakeTrials(root, shop, about, *span, now_ms=time.time_ns() // 1_000_000)
    with steps() as progress:
        progress("learning", 0.0)
        lessons = Lessons.of(log.watching(trials), about)
        progress("learning", 1.0)
    if not lessons.posterior.trials:
        _nothing(root, shop, trials.counts)
    candidate = Candidate.of(about, lessons.posterior, span[0] or 0)
    folder = out if out is not None else settings.home / "candidates" / f"{shop}-{candidate.draws.id}"
    candidate.write(folder)
    found = effects(lessons, about)
    show(found, about)
    console.print(escape(_words(trials.counts, lessons)), soft_wrap=True)
    console.print(f"candidate {candidate.draws.id} of policy {about.version}: {escape(str(folder))}", soft_wrap=True)
    figures = _figures(candidate, trials.counts, found, folder)
    if uplift is not None and bundle is not None:
        figures["uplift"] = _uplift(log, trials, about, bundle, uplift)
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=1) + "\n")


def _uplift(log: Log, trials: LakeTrials, policy: Policy, bundle: LiveBundle, folder: Path) -> dict[str, Any]:
    """Learns, shows and writes uplift models; returns what --json says of them."""
    since_ms, until_ms = trials.since_ms or 0, log.until_ms + 1
    with steps() as progress:
        found = learn_uplift(log, lambda: receipts(trials.lake, trials.shop, since_ms, until_ms), told=progress)
    uplifts.show(found)
    with told_plainly():
        identifier = uplifts.write(folder, bundle, policy, log, found)
    cards = {action: one.as_dict() for action, one in found.items()}
    return {"bundle": identifier or None, "actions": cards}


def _nothing(lake: Path, shop: str, counts: Mapping[str, int]) -> None:
    if not counts["decisions"]:
        fail(f"{lake} has no decisions of shop {shop!r} in that time")
    fail(
        f"none of the {counts['decisions']:,} decisions tells anything: {counts['open']:,} trials are open still, and "
        f"of the {counts['ended']:,} that ended none was a choice with known chances whose message was shown"
    )


def show(found: Sequence[Effect], policy: Policy) -> None:
    """The effects as a table."""
    heads = ("action", "stage", "shown", "adds", "worth", "cost", "beats its cost")
    table = grid(*heads, whole=heads[1:-1], right=("shown", "worth", "cost"))
    for row in (row for row in found if row.shown):
        span = f"{row.effect:+.4f}\n[{row.low:+.4f}, {row.high:+.4f}]"
        money = (f"{row.worth:.2f}", f"{row.cost:.2f}")
        table.add_row(escape(row.action), row.stage, f"{row.shown:,}", span, *money, row.beats_cost)
    console.print(table)
    unit = "orders" if policy.reward is None else "reward"
    console.print(f"adds: {unit} a showing, over silence, with a 95 % interval; worth and cost in {policy.currency}")
    never = sum(not row.shown for row in found)
    if never:
        console.print(f"{never:,} more, never shown: of them only priors speak (--json lists all)", soft_wrap=True)


def _words(counts: Mapping[str, int], lessons: Lessons) -> str:
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("counted", "unknown", "late", "again"))
    learned_from, decisions = lessons.posterior.trials, counts["decisions"]
    return (
        f"learned from {learned_from:,} of {counts['ended']:,} trials of {decisions:,} decisions, "
        f"up to {iso(lessons.posterior.as_of_ms)}; open still: {counts['open']:,}; outcomes: {told}"
    )


def _figures(candidate: Candidate, counts: Mapping[str, int], found: Sequence[Effect], folder: Path) -> dict[str, Any]:
    facts = candidate.facts
    about = {"shop": facts.shop, "policy": facts.policy, "draws": facts.draws, "trials": facts.trials}
    return {**about, "folder": str(folder), "counts": dict(counts), "effects": [row.as_dict() for row in found]}
