"""From a log and a window to the parts of a bundle."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog
from features.events import CODE, KINDS
from features.record import KNOWN, Records
from features.stats import ItemStats
from models.bundle import Parts
from models.intent import INTENTS
from training.figures import binary_figures, number, stage_figures
from training.fit_intent import fit_intent
from training.fit_ranker import GROUPS
from training.fit_recommend import FittedItems, fit_recommender
from training.fit_stage import fit_stage
from training.fit_timing import fit_timing
from training.fitted import Fitted
from training.moments import iso
from training.portable import portable
from training.reference import with_reference
from training.replay_views import Touches
from training.settings import Settings
from training.side_by_side import AT_ONCE, side_by_side
from training.split import Split, Window, split
from training.table import MAX_PREFIX, Log, Progress, Table, session_starts_ms

Flags = npt.NDArray[np.bool_]

IMPORTANT: Final = 20
"""Features named in a manifest, the most important first."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a window gave. fitted: by the names of models.bundle.MODELS."""

    parts: Parts
    fitted: Mapping[str, Fitted]
    split: Split


def train(
    log: Log,
    table: Table,
    window: Window,
    seed: int,
    progress: Progress,
    max_prefix: int = MAX_PREFIX,
    settings: Mapping[str, Settings] = MappingProxyType({}),
    only_portable: bool = False,
    views: int = GROUPS,
    catalog: Catalog = EMPTY_CATALOG,
    at_once: int = AT_ONCE,
) -> Trained:
    """Models and index of the sessions that started in the window. Raises TooLittleData.

    table: of the same log, with at most max_prefix steps a session. settings: how trees grow, by the names of
    models.bundle.MODELS, where they differ from the defaults. only_portable: without the features that mean something
    in this shop only (training/portable.py). views: that the ranker learns from, at most. catalog: what the shop told
    of its products, for the ranker. at_once: how many models are fitted at a time. The same arguments give the same
    parts, byte by byte, whatever at_once.
    """
    table = portable(table) if only_portable else table
    parted = split(table.start_ms, table.end_ms, table.labels.session, window)

    def recommender(told: Progress) -> FittedItems:  # its touches, as large as the log, last no longer than it runs
        touches = Touches.of(log.records, log.visitor, log.session, log.item_ids, _inside(log, window))
        return fit_recommender(touches, seed, told, catalog=catalog, max_prefix=max_prefix, views=views)

    jobs = _jobs(table, parted, seed, settings)
    progress("models", 0.0)
    found: dict[str, Any] = side_by_side({"stage": jobs.pop("stage"), "": recommender, **jobs}, progress, at_once)
    items = found.pop("")
    progress("models", 1.0)
    progress("figures", 0.0)
    about = _about(log, table, window, seed, found, parted) | {"items": len(items.index), "portable": only_portable}
    parts = with_reference(_parts(log, window, items, found, about), table, parted, at_once)
    progress("figures", 1.0)
    return Trained(parts, found, parted)


def _parts(
    log: Log, window: Window, items: FittedItems, fitted: Mapping[str, Fitted], about: Mapping[str, Any]
) -> Parts:
    return Parts(
        models={name: one.model for name, one in fitted.items()},
        calibrations={name: one.calibration for name, one in fitted.items()},
        items=items.index,
        about=about,
        ranker=items.ranker,
        factors=items.factors,
        arrays={"stats": _stats(log, window).to_arrays()} | _timing(log, window),
        linears={name: one.linear for name, one in fitted.items() if one.linear is not None},
        stage_weights=fitted["stage"].weights,
    )


def fit_models(
    table: Table, parted: Split, seed: int, progress: Progress, settings: Mapping[str, Settings], at_once: int = AT_ONCE
) -> dict[str, Fitted]:
    """The stage and the intents, by the names of models.bundle.MODELS."""
    return side_by_side(_jobs(table, parted, seed, settings), progress, at_once)


def _jobs(
    table: Table, parted: Split, seed: int, settings: Mapping[str, Settings]
) -> dict[str, Callable[[Progress], Fitted]]:
    """Each model's fit, the longest first."""

    def intent(name: str) -> Callable[[Progress], Fitted]:
        return lambda told: fit_intent(name, table, parted, seed, told, settings)

    stage = {"stage": lambda told: fit_stage(table, parted, seed, told, settings)}
    return {**stage, **{f"intent_{name}": intent(name) for name in INTENTS}}


def _timing(log: Log, window: Window) -> dict[str, dict[str, Any]]:
    found = fit_timing(log, window)
    return {} if found is None else {"timing": found.to_arrays()}


def _stats(log: Log, window: Window) -> ItemStats:
    """Item statistics at the window's end, as a learner would have them; sessions in progress count as they stand."""
    before = np.flatnonzero(log.records["ts_ms"] < window.until_ms)
    by_time = before[np.argsort(log.records["ts_ms"][before], kind="stable")]
    visitors = (log.visitor[by_time] + 1).astype(np.uint64)
    return ItemStats.empty().updated(log.records[by_time], visitors).ended()


def _inside(log: Log, window: Window) -> Flags:
    """Records of the sessions that began in the window, as far as it goes. Shape (n,)."""
    return window.holds(session_starts_ms(log)) & (log.records["ts_ms"] < window.until_ms)


def _about(
    log: Log, table: Table, window: Window, seed: int, fitted: Mapping[str, Fitted], parted: Split
) -> dict[str, Any]:
    """The manifest's words: where the models come from, how good they were on the slice held back, what they lack."""
    inside = _inside(log, window)
    return {
        "shop": log.shop,
        "seed": seed,
        "window": {"since": iso(window.since_ms), "until": iso(window.until_ms)},
        "rows": {"fit": int(parted.fit.sum()), "hold": int(parted.hold.sum()), "left_out": table.left_out},
        "sessions": len(np.unique(log.session[inside])),
        "events": int(inside.sum()),
        "lacks": lacks(log.records[inside]),
        "models": {name: _model_card(one) for name, one in fitted.items()},
        "figures": held_figures(table, parted, fitted),
    }


def _model_card(one: Fitted) -> dict[str, Any]:
    best = sorted(one.importance.items(), key=lambda pair: (-pair[1], pair[0]))[:IMPORTANT]
    settings = asdict(one.settings) if one.settings is not None else None
    words = {"rounds": one.rounds, "calibration": one.calibrated_by, "note": one.note, "importance": dict(best)}
    weights = {} if one.weights is None else {"weights": [number(weight) for weight in one.weights]}
    return {**words, "settings": settings, **weights}


def held_figures(table: Table, parted: Split, fitted: Mapping[str, Fitted]) -> dict[str, Any]:
    """Figures of the model of the earlier part on the later slice, which stopped and calibrated it: a little kind."""
    figures: dict[str, Any] = {"on": "the last 20 % of the train window's sessions"}
    intents = {}
    for name in INTENTS:
        one, target = fitted[f"intent_{name}"], getattr(table.labels, name)
        rows = parted.hold & (target >= 0)
        said = one.said_of_held(int(rows.sum()))[:, 0]
        sessions = len(np.unique(table.labels.session[rows]))
        intents[name] = binary_figures(target[rows], said, one.note) | {"sessions": sessions}
    said = fitted["stage"].said_of_held(int(parted.hold.sum()))
    stages = stage_figures(table.labels.stage[parted.hold].astype(np.int64), said, fitted["stage"].named(said))
    return figures | {"intent": intents, "stage": stages}


def lacks(records: Records) -> list[str]:
    """What a log has nothing of, in words: models cannot know it, and serving that has it gains nothing yet."""
    seen = np.bincount(records["kind"], minlength=len(KINDS)) > 0

    def none_of(*kinds: str) -> bool:
        return not any(seen[CODE[kind]] for kind in kinds)

    found = {
        "carts": none_of("add_to_cart"),
        "checkout steps": none_of("begin_checkout", "add_shipping_info", "add_payment_info"),
        "purchases": none_of("purchase"),
        "searches": none_of("search"),
        "product lists": none_of("view_item_list", "select_item"),
        "errors and chats": none_of("chat_open", "form_error", "payment_error", "zero_results", "rage_click"),
        "user ids": not bool(np.any(records["flags"] & KNOWN)),
        "prices": not bool(np.any(np.isfinite(records["price"]))),
        "categories": not bool(np.any(records["category"])),
        "kinds of page": not bool(np.any(records["page"])),
        "channels and referrers": not bool(np.any(records["source"])),
    }
    return [what for what, absent in found.items() if absent]
