"""`tact simulate --policy new.yaml --since 7d`: what a changed policy would have done in the lake's decisions."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from features.schema import FINGERPRINT
from models.arbitration import Draws, prior_draws
from models.policy import Policy
from models.receipt import InvalidReceipt, Receipt, decode
from tact.console import console, errors, fail, load_settings
from tact.fail_if import BadCondition, Condition
from tact.learning import MOMENT, LakeOption, ago, moment, shop_of, steps
from tact.outputs import file_to_write, write_text
from tact.policies import policy_of_file
from tact.receipt_sample import Sample
from tact.receipts import Archive
from tact.simulated import show
from training.moments import iso
from training.table import Progress
from training.trials import LakeTrials, Rewards
from training.whatif import WhatIf
from training.whatif_report import Report
from training.whatif_value import value_of

MOST: Final = 50_000
TOLD_EVERY: Final = 200


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate")(run)


def run(
    policy: Annotated[Path, typer.Option("--policy", help="The changed policy file.")],
    lake: LakeOption = None,
    shop: Annotated[str, typer.Option("--shop", help="Default: the policy's.")] = "",
    since: Annotated[str, typer.Option("--since", help=f"7d, 12h (before --until), or a moment. {MOMENT}")] = "7d",
    until: Annotated[str, typer.Option("--until", help=f"Default: now. {MOMENT}")] = "",
    most: Annotated[int, typer.Option("--max", min=1, help="Decisions at most; of more, an even part.")] = MOST,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option("--fail-if", help="Exit 1 if so: silence>0.95, lost:ACTION, … (docs/policy.md).")
    ] = None,
) -> None:
    """Replay the lake's decisions through a changed policy: who gains or loses which message, before anyone sees it.

    Exit 1 if a --fail-if holds, 2 for bad input.
    """
    settings = load_settings()
    conditions = [_condition(text) for text in fail_if or []]
    file_to_write(json_file, "--json")
    changed = policy_of_file(policy)
    name = shop or changed.shop
    until_ms = moment(until, "--until") if until else time.time_ns() // 1_000_000
    since_ms = _since(since, until_ms)
    root = lake if lake is not None else settings.lake
    shop_of(root, name)
    sample = Sample.of(root, name, since_ms, until_ms, most)
    if not sample.total:
        fail(f"{root} has no decisions of shop {name!r} from {iso(since_ms)} to {iso(until_ms)}", code=2)
    with steps() as progress:
        report = _report(replace(changed, shop=name), sample, Archive(settings), progress)
    for condition in conditions:
        if condition.unknown_in(report):
            fail(f"--fail-if {condition.text}: neither policy has an action {condition.action!r}", code=2)
    show(report)
    if json_file is not None:
        write_text(json_file, json.dumps(report.as_dict(), indent=1, allow_nan=False) + "\n")
        console.print(f"written: {json_file}", soft_wrap=True)
    fired = [said for condition in conditions if (said := condition.fires(report))]
    for said in fired:
        errors.print(f"[bold red]failed[/] --fail-if {escape(said)}", soft_wrap=True)
    if fired:
        raise typer.Exit(1)


def _report(policy: Policy, sample: Sample, archive: Archive, progress: Progress) -> Report:
    about = WhatIf(policy, lambda receipt: _old(receipt, archive), lambda receipt: uplift_then(receipt, archive))
    for receipt in _receipts(sample, about.left_out, progress):
        about.add(receipt)
    if not about.decisions:
        left = ", ".join(f"{count:,} are of {reason}" for reason, count in about.left_out.items())
        fail(f"none of the {sample.total:,} decisions can be replayed: {left}", code=2)
    rewards = _followed(policy, sample, progress)
    worth = value_of(about, _receipts(sample, Counter(), progress, "valuing"), rewards)
    return Report.of(about, worth, sample.words)


def _followed(policy: Policy, sample: Sample, progress: Progress) -> Rewards:
    """What followed each decision within the policy's window, as far as the lake knows by now."""
    progress("reading what followed", 0.0)
    now_ms = time.time_ns() // 1_000_000
    span = (sample.since_ms, sample.until_ms, now_ms)
    found = Rewards.of(LakeTrials(sample.lake, sample.shop, policy, *span, wanted=sample.wanted))
    progress("reading what followed", 1.0)
    return found


def _receipts(sample: Sample, left_out: Counter[str], progress: Progress, step: str = "replaying") -> Iterator[Receipt]:
    for place, data in enumerate(sample.receipts()):
        if place % TOLD_EVERY == 0:
            progress(step, place / max(1, sample.expected))
        try:
            yield decode(data)
        except InvalidReceipt:
            left_out["another version of receipts"] += 1


def _old(receipt: Receipt, archive: Archive) -> tuple[Policy | None, Draws | None]:
    """The policy and the draws a receipt was decided with, as far as they are there."""
    policy = archive.policy(receipt.policy) if receipt.policy != "none" else None
    if policy is None:
        return None, None
    learned = archive.draws(receipt.draws) if receipt.draws else None
    draws = learned or prior_draws(policy)
    return policy, draws if receipt.draws in ("", draws.id) else None


def uplift_then(receipt: Receipt, archive: Archive) -> Mapping[int, float]:
    """What the receipt's bundle tells of its visitor's uplift; nothing where bundle or feature table are gone."""
    if receipt.numbers is None or receipt.features != FINGERPRINT:
        return {}
    bundle = archive.bundle(receipt.bundle)
    return bundle.uplift(receipt.numbers) if bundle is not None else {}


def _since(text: str, until_ms: int) -> int:
    """Unix ms of a span before `until_ms`, or of a moment."""
    begin = ago(text, "--since", until_ms)
    if begin >= until_ms:
        fail(f"--since {text}: that is not before {iso(until_ms)}", code=2)
    return max(begin, 0)


def _condition(text: str) -> Condition:
    try:
        return Condition.of(text)
    except BadCondition as bad:
        fail(f"--fail-if: {bad}", code=2)
