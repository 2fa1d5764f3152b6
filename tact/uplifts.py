"""What `tact learn --uplift` shows and writes: an uplift model for each action that deserves one, in a bundle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from models.bundle import MANIFEST, UPLIFT, InvalidBundle, read_files
from models.folders import Folder
from models.policy_terms import Policy
from models.registry import Registry, UnknownBundle
from tact.console import console, errors, fail
from training.fit_uplift import uplift_part
from training.learn_uplift import Learned, Log
from training.uplift import RESPONSE, UPLIFT_S, UPLIFT_X, UPLIFTS
from training.uplift_bundle import CARDS, LEARNED_FROM, with_uplift, write_files

Found = Mapping[str, Learned]
_SCORES = (UPLIFT_S, UPLIFT_X, RESPONSE)


@dataclass(frozen=True, slots=True)
class LiveBundle:
    """A shop's live bundle, as its files."""

    id: str
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, registry: Registry, shop: str) -> "LiveBundle":
        """Ends where nothing is live. Raises InvalidBundle, UnknownBundle."""
        live = registry.live(shop)
        if live is None:
            fail(
                f"no bundle is live for shop {shop!r}: uplift models are a part of one",
                "Train and publish one first, or name its --registry.",
                code=2,
            )
        return cls(*read_files(Folder(registry.path(live))))


def carry_over(folder: Path, identifier: str, registry: Registry, shop: str) -> str:
    """Puts the uplift models of the shop's live bundle into the bundle in `folder`; returns that one's id.

    They read the same features and stand on receipts of their own, so a newly trained bundle need not lose them. Where
    they cannot be taken over it is said: the actions are then chosen by the learned draws.
    """
    try:
        live = registry.live(shop)
        files = read_files(Folder(registry.path(live)))[1] if live is not None else {}
        about = json.loads(files[MANIFEST]) if UPLIFT in files else {}
        if about.get(LEARNED_FROM, {}).get("shop") != shop:
            return identifier
        kept = (files[UPLIFT].decode(), about[CARDS], about[LEARNED_FROM])
        made, mine = with_uplift(read_files(Folder(folder))[1], *kept)
        write_files(folder, mine)
    except (InvalidBundle, UnknownBundle, ValueError) as error:
        why = escape(str(error))
        errors.print(f"[bold yellow]warning[/] the live uplift models are not taken over: {why}", soft_wrap=True)
        return identifier
    actions = escape(actions_with_uplift(about))
    console.print(f"taken over from the live bundle {live}: uplift models of {actions}", soft_wrap=True)
    return made


def actions_with_uplift(manifest: Mapping[str, Any]) -> str:
    """The actions that a bundle has an uplift model for, in words; "" for none."""
    return ", ".join(sorted(action for action, card in manifest.get(CARDS, {}).items() if card["choice"] in UPLIFTS))


def show(found: Found) -> None:
    """What was found of each action, and why."""
    grid = Table("action", "trials", "rewarded with it", "rewarded with silence", "chosen")
    for name in _SCORES:
        grid.add_column(f"Qini {name}")
    for action, one in found.items():
        card = one.as_dict()
        counts = f"{one.trials:,}", *(f"{card['positives'][side]:,}" for side in ("treated", "silent"))
        grid.add_row(escape(action), *counts, card["choice"], *(_qini(card["qini"].get(name)) for name in _SCORES))
    console.print(grid)
    for action, one in found.items():
        console.print(escape(f"{action}: {one.fitted.choice.choice} – {one.fitted.choice.why}"), soft_wrap=True)


def _qini(figures: Mapping[str, Any] | None) -> str:
    if figures is None or figures["mean"] is None or None in figures["ci"]:
        return "–"
    low, high = figures["ci"]
    return f"{figures['mean']:.3f} [{low:.3f}, {high:.3f}]"


def write(folder: Path, live: LiveBundle, policy: Policy, log: Log, found: Found) -> str:
    """Writes the live bundle with the uplift models, and returns its id; "" where no action has one."""
    text = uplift_part({action: one.fitted for action, one in found.items()})
    if not text:
        kept = " The live bundle keeps its own of before." if "uplift.json" in live.files else ""
        console.print(f"no action is given an uplift model: nothing is written to {escape(str(folder))}.{kept}")
        return ""
    about = {
        "shop": policy.shop,
        "policy": policy.version,
        "terms": policy.terms,
        "until_ms": log.until_ms,
        "bundle": live.id,
    }
    identifier, files = with_uplift(live.files, text, {name: one.as_dict() for name, one in found.items()}, about)
    try:
        write_files(folder, files)
    except OSError as error:
        fail(f"{folder}: {error.strerror}")
    console.print(
        f"bundle {identifier}, the live {live.id} with uplift models: {escape(str(folder))}\n"
        f"let it go live: tact promote --policy {escape(str(folder))}",
        soft_wrap=True,
    )
    return identifier
