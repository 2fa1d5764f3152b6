"""Features that know the answer, looked for in four ways and named.

* as_of         a row's vector, made again from the log cut right after it, has other bits: it knew what came later
* alone         one feature alone ranks the held rows almost perfectly
* concentrated  a model ranks suspiciously well, and one feature carries most of it
* auc           a model ranks too well to be true, whoever carries it

The first is exact and needs no threshold; it sees whatever fold, item statistics or the table itself took from the
future. It cannot see what a shop wrote into its events afterwards (a price only on what was sold): that the others may.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog
from features.fold import replay
from features.schema import FEATURES
from models.intent import INTENTS
from training.as_of import as_of_facts, of_same_visitors
from training.boosting import Floats
from training.levels import MECHANICAL, REFUSED_AUC, SUSPICIOUS_AUC
from training.split import Split
from training.table import Log, Progress, Table
from training.train import Trained

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CUTS: Final = 5
ROWS_A_CUT: Final = 200
"""The rows just before each cut: of these most sessions go on after it."""

LARGE: Final = 2_000_000
"""From so many records on, a log is cut only twice: each cut reads it up to there."""

ALONE_AUC: Final = 0.95
ALONE_WARNING: Final = 0.90
CONCENTRATED: Final = 0.5
MOST_ROWS: Final = 50_000
MIN_POSITIVES: Final = 30
MOST_FINDINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding. how: a word of this module's docstring; feature: its name, "" for none; level: error or warning."""

    how: str
    feature: str
    target: str
    level: str
    detail: str


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was found. rows, cuts: vectors made again, from so many cut logs."""

    rows: int
    cuts: int
    findings: tuple[Leak, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the manifest; the errors first, at most MOST_FINDINGS."""
        worst = sorted(self.findings, key=lambda one: one.level != "error")[:MOST_FINDINGS]
        return {
            "rows": self.rows,
            "cuts": self.cuts,
            "found": len(self.findings),
            "findings": [asdict(o) for o in worst],
        }


def look(log: Log, table: Table, trained: Trained, progress: Progress, catalog: Catalog = EMPTY_CATALOG) -> Leaks:
    """Every way, on what the models were trained on. catalog: that the table was built with."""
    rows, cuts, differing = recomputed(log, table, trained.split.train, progress, catalog)
    held = ranked_alone(table, trained.split)
    carried = suspicious_models(trained.parts.about["figures"]["intent"], trained.parts.about["models"])
    progress("leaks", 1.0)
    return Leaks(rows, cuts, (*differing, *held, *carried))


def recomputed(
    log: Log, table: Table, rows: Flags, progress: Progress, catalog: Catalog = EMPTY_CATALOG
) -> tuple[int, int, tuple[Leak, ...]]:
    """(rows compared, cuts, findings): vectors of a sample of rows, each from the log as it was right after it."""
    wrong, compared, cuts = np.zeros(len(FEATURES), np.int64), 0, 0
    for cut, chosen in _cuts(log, table, rows):
        progress("leaks", cuts / (CUTS + 1))
        again = _vectors(log, cut, table.labels.row[chosen], catalog)
        wrong += (again.view(np.uint32) != table.matrix[chosen].view(np.uint32)).sum(axis=0)
        compared, cuts = compared + len(chosen), cuts + 1
    found = [_of_the_future(int(at), int(wrong[at]), compared) for at in np.argsort(-wrong) if wrong[at]]
    return compared, cuts, tuple(found)


def _cuts(log: Log, table: Table, rows: Flags) -> Iterator[tuple[Flags, Ints]]:
    """(records of the cut log, bool (n,); table rows to make again from it, the last before the cut)."""
    ts_ms, at, chosen = log.records["ts_ms"], table.labels.row, np.flatnonzero(rows)
    chosen = chosen[np.lexsort((at[chosen], ts_ms[at[chosen]]))]
    cuts = CUTS if len(ts_ms) < LARGE else 2
    for last in np.unique((len(chosen) * (np.arange(cuts) + 0.5) / cuts).astype(np.int64)) if len(chosen) else ():
        yield _until(ts_ms, int(at[chosen[last]])), chosen[max(0, last + 1 - ROWS_A_CUT) : last + 1]


def _until(ts_ms: Ints, row: int) -> Flags:
    """Which records come no later than a row's; of one millisecond those no further on in the log. Shape (n,)."""
    cut = np.asarray(ts_ms < ts_ms[row])
    cut[: row + 1] |= ts_ms[: row + 1] == ts_ms[row]
    return cut


def _vectors(log: Log, cut: Flags, rows: Ints, catalog: Catalog) -> npt.NDArray[np.float32]:
    """Vectors at the log's rows, from the records of the cut only."""
    theirs = of_same_visitors(log.visitor, rows) & cut
    facts = as_of_facts(log.records[cut], log.visitor[cut], catalog, theirs[cut])
    matrix = replay(log.records[theirs], log.visitor[theirs], facts)
    return np.ascontiguousarray(matrix[np.searchsorted(np.flatnonzero(theirs), rows)])


def _of_the_future(at: int, wrong: int, compared: int) -> Leak:
    name = FEATURES[at].name
    told = f"{name} differs in {wrong:,} of {compared:,} rows when made again from the log cut right after each row"
    return Leak("as_of", name, "", "error", f"{told}: it knows what came later")


def ranked_alone(table: Table, parted: Split) -> tuple[Leak, ...]:
    """Features that alone rank an intent's held rows, in either direction; unknown counts as lowest."""
    rows = np.flatnonzero(parted.hold)
    rows = rows[:: max(1, -(-len(rows) // MOST_ROWS))]
    matrix = table.matrix[rows]
    targets = {name: getattr(table.labels, name)[rows] for name in INTENTS if name not in MECHANICAL}
    told = {name: t for name, t in targets.items() if min((t == 1).sum(), (t == 0).sum()) >= MIN_POSITIVES}
    found = []
    for at, feature in enumerate(FEATURES):
        ranks = _mean_ranks(matrix[:, at]) if told else np.zeros(0)
        for name, target in told.items():
            auc = _auc(ranks, target)
            if auc > ALONE_WARNING:
                level = "error" if auc > ALONE_AUC else "warning"
                detail = f"{feature.name} alone ranks {name} with AUC {auc:.3f}: it may know the answer"
                found.append((auc, Leak("alone", feature.name, name, level, detail)))
    return tuple(leak for _, leak in sorted(found, key=lambda pair: -pair[0]))


def _mean_ranks(values: npt.NDArray[np.float32]) -> Floats:
    """The rank of each value, equal ones sharing theirs; NaN lowest. Shape (n,)."""
    _, which, counts = np.unique(np.nan_to_num(values, nan=-np.inf), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which])


def _auc(ranks: Floats, target: npt.NDArray[np.int8]) -> float:
    """The area under the ROC curve or over it, whichever is larger. Rows without a label count for nothing."""
    positive, negative = target == 1, target == 0
    if not (positive | negative).all():
        return _auc(_mean_ranks(ranks[positive | negative].astype(np.float32)), target[positive | negative])
    wins = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    auc = float(wins / (positive.sum() * negative.sum()))
    return max(auc, 1 - auc)


def suspicious_models(figures: Mapping[str, Any], cards: Mapping[str, Any]) -> tuple[Leak, ...]:
    """Intents that rank suspiciously well. figures, cards: `figures.intent` and `models` of a manifest."""
    found = []
    for name, one in figures.items():
        auc, shares = one.get("auc"), cards.get(f"intent_{name}", {}).get("importance", {})
        if auc is None or auc <= SUSPICIOUS_AUC or name in MECHANICAL or not shares:
            continue
        first, share = max(shares.items(), key=lambda pair: pair[1])
        carried = f"{first} carries {100 * share:.0f} % of the model of {name}, whose AUC is {auc:.3f}"
        if share > CONCENTRATED:
            found.append(Leak("concentrated", first, name, "error", f"{carried}: it may know the answer"))
        else:
            level = "error" if auc > REFUSED_AUC else "warning"
            found.append(Leak("auc", first, name, level, f"{carried}: too good to be believed unseen"))
    return tuple(found)
