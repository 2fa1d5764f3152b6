"""`tact promote`: a policy file, or draws or uplift models of `tact learn`, go live, if the receipts let them."""

import getpass
import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.registry import Registry
from service.settings import Settings
from tact import promotions
from tact.audited import note
from tact.console import console, errors, fail, load_settings
from tact.learning import MOMENT, LakeOption, RegistryOption, ago, moment, steps, told_plainly
from tact.offered import Offer, offer_of
from tact.outputs import FiguresOption, file_to_write, write_text
from tact.promotions import PROMOTE
from training.gate_policy import Judged, judged
from training.moments import iso
from training.off_policy import Estimate
from training.promotion import MARGIN
from training.trials import LakeTrials, Rewards, newest_ms, receipts

MOST = 20_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("promote")(promote)


def promote(
    policy: Annotated[Path, typer.Option("--policy", help="A changed policy file, or a folder of `tact learn`.")],
    shop: Annotated[str, typer.Option("--shop", help="Default: the one that the policy or candidate names.")] = "",
    lake: LakeOption = None,
    registry: RegistryOption = "",
    margin: Annotated[
        float,
        typer.Option("--margin", min=0, max=1, help="The share of the live policy's value that may be lost at worst."),
    ] = MARGIN,
    since: Annotated[
        str, typer.Option("--since", help=f"Decisions to judge by: 7d, 12h before the last, or from. {MOMENT}")
    ] = "7d",
    until: Annotated[str, typer.Option("--until", help=f"… and before. Default: all. {MOMENT}")] = "",
    most: Annotated[int, typer.Option("--max", min=1, help="Of more decisions, a part of the visitors.")] = MOST,
    force: Annotated[bool, typer.Option("--force", help="Promote what is refused; needs --why.")] = False,
    why: Annotated[str, typer.Option("--why", help="Kept in the audit log.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell the verdict and change nothing.")] = False,
    json_file: FiguresOption = None,
) -> None:
    """Let a policy file, learned draws or uplift models go live, unless they may lose more than the margin.

    Exit 1 if it is refused, 2 for bad input.
    """
    if force and not why:
        fail("--force needs --why: it is kept in the audit log", code=2)
    file_to_write(json_file, "--json")
    settings = load_settings(writes=not dry_run)
    target = Registry(registry or settings.registry)
    offer = offer_of(settings, target, policy, shop)
    before, after = offer.change
    if before == after:
        console.print(f"{offer.what} {after} is live for shop {offer.shop} already")
        _write(json_file, offer, Judged(()), promoted=False, forced=False)
        return
    verdict = _judged(settings, offer, lake, (since, until), margin, most)
    show(verdict, margin)
    go = (verdict.passed or force) and not dry_run
    if go:
        _install(settings, target, offer, _reason(why, verdict))
        console.print(f"{offer.what} {after} is live for shop {offer.shop}; {before or 'none'} was", soft_wrap=True)
    _write(json_file, offer, verdict, promoted=go, forced=force)
    if not verdict.passed and not go:
        raise typer.Exit(1)


def _write(path: Path | None, offer: Offer, verdict: Judged, promoted: bool, forced: bool) -> None:
    if path is not None:
        before, after = offer.change
        about = {"shop": offer.shop, "what": offer.what, "before": before, "after": after, "promoted": promoted}
        write_text(path, json.dumps({**about, "forced": forced, **verdict.as_dict()}, indent=1) + "\n")


def _judged(
    settings: Settings, offer: Offer, lake: Path | None, span: tuple[str, str], margin: float, most: int
) -> Judged:
    """The receipts' verdict. A shop without a live policy has nothing that could be lost."""
    if offer.live is None:
        console.print(f"the first policy of shop {offer.shop}: there is none to compare it with")
        return Judged(())
    root = lake if lake is not None else settings.lake
    newest = newest_ms(root, offer.shop)
    if newest is None:
        return Judged((f"cannot say: {root} has no decisions of shop {offer.shop!r}",))
    until_ms = moment(span[1], "--until") if span[1] else newest + 1
    since_ms = ago(span[0], "--since", until_ms)
    if since_ms >= until_ms:
        fail(f"--since {iso(since_ms)} is not before {iso(until_ms)}", code=2)
    if offer.learned_until_ms >= since_ms:
        _warn_seen(offer.learned_until_ms, since_ms)
    with steps() as progress:
        progress("reading what followed", 0.0)
        now_ms = time.time_ns() // 1_000_000
        trials = LakeTrials(root, offer.shop, offer.live.policy, since_ms, until_ms, now_ms)
        rewards = Rewards.of(trials)
        progress("reading what followed", 1.0)
        one_in = -(-max(1, trials.counts["decisions"]) // most)
        progress("asking both", 0.0)
        found = receipts(root, offer.shop, since_ms, until_ms, one_in)
        verdict = judged(found, rewards, *offer.sides(offer.live), margin)
        progress("asking both", 1.0)
    console.print(f"judged by {verdict.decisions:,} decisions from {iso(since_ms)} to {iso(until_ms)}", soft_wrap=True)
    return verdict


def _warn_seen(learned_until_ms: int, since_ms: int) -> None:
    errors.print(
        f"[bold yellow]warning[/] the candidate was learned from decisions up to {iso(learned_until_ms)}, and is "
        f"judged by decisions from {iso(since_ms)}: what it learned from flatters it. "
        "Learn with --until, judge with --since.",
        soft_wrap=True,
    )


def show(verdict: Judged, margin: float) -> None:
    """The verdict for the terminal."""
    found = verdict.verdict
    if found is not None and found.live and found.candidate and found.difference:
        grid = Table("", "value per decision", "95 % interval")
        for name, one in (("live", found.live), ("candidate", found.candidate), ("difference", found.difference)):
            grid.add_row(name, *_cells(one, verdict.placements))
        console.print(grid)
    if found is not None and found.same:
        console.print("both choose alike in every decision")
    if found is not None:
        at = found.overlap
        share = f"{at.ess:,.0f} of {at.rows:,} rows, one a placement"
        console.print(f"effective sample size {share}; without support {at.unsupported:.2%}", soft_wrap=True)
    if verdict.left_out:
        console.print("left out: " + ", ".join(f"{count:,} {why}" for why, count in verdict.left_out.items()))
    for reason in verdict.reasons:
        errors.print(f"[bold red]refused[/] {escape(reason)}", soft_wrap=True)
    if verdict.passed:
        console.print(f"passes: at most {margin:.0%} of the live policy's value may be lost")


def _cells(one: Estimate, placements: float) -> tuple[str, str]:
    value, low, high = (number * placements for number in (one.value, one.low, one.high))
    return f"{value:+.4g}", f"{low:+.4g} .. {high:+.4g}"


def _reason(why: str, verdict: Judged) -> str:
    return why if verdict.passed else f"{why} (forced past: {'; '.join(verdict.reasons)})"


def _install(settings: Settings, registry: Registry, offer: Offer, why: str) -> None:
    try:
        if offer.bundle is not None:
            with told_plainly():
                registry.publish(offer.folder, offer.shop, getpass.getuser(), why, time.time_ns() // 1_000_000)
        elif offer.draws is not None and offer.live is not None:
            promotions.keep_draws(settings, offer.live)
            promotions.put_draws(settings, offer.policy, offer.draws, "promoted")
        else:
            promotions.put_policy(settings, offer.shop, offer.data, offer.suffix)
    except OSError as error:
        fail(f"not promoted: {error}")
    note(settings, PROMOTE, offer.shop, offer.what, offer.change, why)
