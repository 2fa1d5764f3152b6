"""What `tact learn --uplift` shows and writes: an uplift model for each action that deserves one, in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from models.bundle import read_files
from models.folders import Folder
from models.policy_terms import Policy
from models.registry import Registry
from tact.console import console, fail
from training.fit_uplift import uplift_part
from training.learn_uplift import Learned, Log
from training.uplift import RESPONSE, UPLIFT_S, UPLIFT_X
from training.uplift_bundle import with_uplift, write_files

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
