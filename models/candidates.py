"""Candidate products for a visitor, and what is known of each: compiled, one thread, nothing of catalogue size a call.

From the session's last products, newest first, the newest views of each are followed through the ring of views
(models/item_index.py), at most SAMPLE of each:

* sessions that share products with this one add up what they hold, the nearer, the fresher and the shorter the more
  (session nearest neighbours: VMIS-kNN, Kersbergen et al. 2022; STAN, Garg et al. 2019; VSTAN, Ludewig et al. 2021);
* what was looked at just after and before a product counts by its distance (sequential rules, Ludewig & Jannach 2018);
* what other visits of the same people held, and what is seen with what was found (two steps), reach further;
* beside it the long-lived neighbours of models/session_index.py, products like the last ones by factors learned
  offline, the visitor's own earlier products, the popular of the same category and price band, the popular, the new.

The visitor's own views are in the ring too; they are known by product and second, and passed over.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from features.events import TAIL_EVENTS
from models.item_index import Tables

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]
Times = npt.NDArray[np.int64]
Step = TypeVar("Step", bound=Callable[..., object])

FEATURES: Final = (
    "knn",
    "knn_rank",
    "knn_rare",
    "knn_rare_rank",
    "knn_flat",
    "knn_flat_rank",
    "knn_fresh",
    "knn_fresh_rank",
    "knn_sessions",
    "knn_most",
    "knn_latest",
    "next",
    "after",
    "after_rank",
    "before",
    "with_last",
    "with_last_cosine",
    "after_second",
    "with_second",
    "after_any",
    "after_any_rank",
    "before_any",
    "with_any",
    "cosine",
    "with_latest",
    "across",
    "linked",
    "linked_rank",
    "two_steps",
    "two_steps_rank",
    "trend",
    "popular",
    "rising",
    "age_h",
    "since_s",
    "views",
    "own_back",
    "own_views",
    "own_age_s",
    "own_stay_s",
    "earlier_views",
    "earlier_age_h",
    "earlier_back",
    "is_last",
    "session_views",
    "session_products",
    "tail_before",
    "repeated_share",
    "sessions_found",
    "last_views",
    "price",
    "price_to_last",
    "same_category",
    "category_share",
    "als",
    "als_rank",
    "alike",
    "own_next",
    "knn_share",
    "flat_share",
    "after_share",
    "two_steps_share",
    "fused",
    "run",
    "last_gap_s",
    "session_s",
    "across_rank",
    "self_share",
    "next_part",
    "knn_part",
    "rare_share",
    "named",
    "overlap",
    "trend_to_last",
    "views_to_last",
)
"""What is known of a candidate, in columns. Ranks begin at 0 and are NO_RANK where the source does not have it."""

(
    KNN,
    KNN_RANK,
    RARE,
    RARE_RANK,
    FLAT,
    FLAT_RANK,
    FRESH,
    FRESH_RANK,
    SESSIONS,
    MOST,
    LATEST,
    NEXT,
    AFTER,
    AFTER_RANK,
    BEFORE,
    WITH_LAST,
    COSINE_LAST,
    AFTER_SECOND,
    WITH_SECOND,
    AFTER_ANY,
    AFTER_ANY_RANK,
    BEFORE_ANY,
    WITH_ANY,
    COSINE,
    WITH_LATEST,
    ACROSS,
    LINKED,
    LINKED_RANK,
    TWO_STEPS,
    TWO_STEPS_RANK,
    TREND,
    POPULAR,
    RISING,
    AGE,
    SINCE,
    VIEWS,
    OWN_BACK,
    OWN_VIEWS,
    OWN_AGE,
    OWN_STAY,
    EARLIER_VIEWS,
    EARLIER_AGE,
    EARLIER_BACK,
    IS_LAST,
    SESSION_VIEWS,
    SESSION_PRODUCTS,
    TAIL_BEFORE,
    REPEATED,
    FOUND,
    LAST_VIEWS,
    PRICE,
    PRICE_TO_LAST,
    SAME_CATEGORY,
    CATEGORY_SHARE,
    ALS,
    ALS_RANK,
    ALIKE,
    OWN_NEXT,
    KNN_SHARE,
    FLAT_SHARE,
    AFTER_SHARE,
    TWO_STEPS_SHARE,
    FUSED,
    RUN,
    LAST_GAP,
    SESSION_S,
    ACROSS_RANK,
    SELF_SHARE,
    NEXT_PART,
    KNN_PART,
    RARE_SHARE,
    NAMED,
    OVERLAP,
    TREND_TO_LAST,
    VIEWS_TO_LAST,
) = range(len(FEATURES))

SOURCES: Final = ("together", "next", "alike", "own", "earlier", "category", "popular", "new")

KEEP: Final = 120
"""Candidates that are ranked, at most."""
OTHER_SOURCES: Final = 100
"""What the sources find nearly always; where more candidates are wanted, popular products make up for the rest."""
NO_RANK: Final = 999.0
FUSION: Final = 10.0
"""Reciprocal rank fusion (Cormack et al. 2009) adds 1 / (FUSION + rank) over the sources."""
SAMPLE: Final = 250
SAMPLE_OF_EARLIER: Final = 100
"""Newest views that are followed of the session's last product, and of each before it."""
NEAR_SAMPLE: Final = 100
NEAR_SAMPLE_OF_EARLIER: Final = 50
"""Of so many of these what stands near is counted, too."""
NEIGHBOURS: Final = 100
"""Sessions that add up."""
PRODUCTS: Final = 10
"""The session's last different products that are followed, and of how many of them what stood near counts."""
NEAR_PRODUCTS: Final = 3
NEAR_VIEWS: Final = 6
ACROSS_VIEWS: Final = 2
SESSION_VIEWS_AT_MOST: Final = 50
OWN_SESSIONS: Final = 64
"""So many sessions may look at one product in one second before this one is not told from them."""
SECOND_STEPS: Final = 12
"""Of so many of the best found, what is linked with them is found, too."""
POOL: Final = 4096
SCORED: Final = 9
BEST_OF_A_SOURCE: Final = 60
"""Sources whose candidates are chosen by a number, and of how many of each the rank counts, at most."""
_DAY_S: Final = 86_400.0
_POSITION, _HALF_LIFE_D, _FRESH_HALF_LIFE_D, _DISTANCE, _LENGTH = 0.8, 14.0, 1.0, 2.0, 0.25
_NAMING: Final = 3.0
"""What a product of the session is seen with fades so slowly with the product's position."""
_njit: Final[Any] = numba.njit  # whose types do not tell of _nrt
_FADE: Final = np.exp(-np.arange(64) / _DISTANCE).astype(np.float32)


def _counted(step: Step) -> Step:
    """Compiled; for what makes arrays."""
    return cast(Step, _njit(cache=True, _nrt=True)(step))


def _uncounted(step: Step) -> Step:
    """Compiled without counting who holds an array: each use of a table was two locked additions, three quarters of all
    the time. What makes no array and gives none back needs no count: who calls `gather` holds them all."""
    return cast(Step, _njit(cache=True, _nrt=False)(step))


class Scratch(NamedTuple):
    """Room for one call at a time, of an index of n items and m entries. call: int64 (1,), how many there were: what
    another call wrote is told by its number and needs no clearing."""

    call: Times
    item_call: Rows
    item_place: Rows
    named_call: Rows
    named: Floats
    root_call: Rows
    root_like: Floats
    root_met: Rows
    root_by: Rows
    roots: Rows
    rows: Rows
    by: Rows
    by_weight: Floats
    x: Matrix
    chosen: Rows
    taken: npt.NDArray[np.uint8]
    like: Floats
    ends: Rows
    best: npt.NDArray[np.int32]
    sizes: Times


def scratch(items: int, entries: int) -> Scratch:
    """Room for an index of so many items and entries."""
    n, m = items + TAIL_EVENTS, max(entries, 1)
    return Scratch(
        np.zeros(1, np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.float32),
        np.zeros(m, np.int32),
        np.zeros(m, np.float32),
        np.zeros(m, np.int32),
        np.zeros(m, np.int32),
        np.zeros(POOL, np.int32),
        np.zeros(POOL, np.int32),
        np.zeros(POOL, np.int32),
        np.zeros(POOL, np.float32),
        np.zeros((POOL, len(FEATURES)), np.float32),
        np.zeros(POOL, np.int32),
        np.zeros(POOL, np.uint8),
        np.zeros(POOL, np.float32),
        np.zeros(POOL, np.int32),
        np.zeros((SCORED, BEST_OF_A_SOURCE), np.int32),
        np.zeros(SCORED, np.int64),
    )


@_uncounted
def _place(s: Scratch, item: int, n: int) -> tuple[int, int]:
    """Where the item's numbers are, begun anew if this call has none yet, and how many there are. -1: no room."""
    if s.item_call[item] == s.call[0]:
        return s.item_place[item], n
    if n >= POOL:
        return -1, n
    s.item_call[item] = s.call[0]
    s.item_place[item] = n
    s.rows[n] = item
    s.by[n] = -1
    s.by_weight[n] = 0.0
    s.x[n] = 0.0
    return n, n + 1


@_uncounted
def _older(t: Tables, a: int, b: int) -> bool:
    """Whether entry a is older than entry b: else a link from b to a is stale."""
    head = t.clock[0]
    rank_a = a - head if a >= head else a - head + t.item.size
    rank_b = b - head if b >= head else b - head + t.item.size
    return bool(rank_a < rank_b)


@_uncounted
def _ago(now_s: int, then_s: Any) -> float:
    """Seconds since then; 0 where it is still to come."""
    return float(now_s) - float(then_s) if now_s > np.int64(then_s) else 0.0


@_uncounted
def _days(t: Tables, entry: int, now_s: int) -> float:
    return _ago(now_s, t.at[entry]) / _DAY_S


@_uncounted
def _distinct(items: Rows, begin: int, out: Rows) -> tuple[int, int]:
    """The session's last different known products into out, newest first: how many, and how many different in all."""
    known, different = 0, 0
    for i in range(items.size - 1, begin - 1, -1):
        again = False
        for j in range(i + 1, min(items.size, i + 1 + SESSION_VIEWS_AT_MOST)):
            again = again or items[j] == items[i]
        if again:
            continue
        different += 1
        if items[i] >= 0 and known < out.size:
            out[known] = items[i]
            known += 1
    return known, different


@_uncounted
def _own_roots(t: Tables, items: Rows, at_s: Times, begin: int, out: Rows) -> int:
    """Sessions of the ring that are this session: they hold a view of the same product in the same second.

    As many views of a product are looked at as _follow follows: one that lies further back makes no neighbour.
    """
    found, reach = 0, SAMPLE
    for i in range(items.size - 1, max(begin, items.size - SESSION_VIEWS_AT_MOST) - 1, -1):
        entry = t.last[items[i]] if items[i] >= 0 else -1
        met = False
        for _ in range(reach):
            if entry < 0 or t.item[entry] != items[i] or np.int64(t.at[entry]) + 60 < at_s[i]:
                break
            same = np.int64(t.at[entry]) == at_s[i]
            if met and not same:
                break
            met = met or same
            if same and found < out.size:
                known = False
                for j in range(found):
                    known = known or out[j] == t.root[entry]
                if not known:
                    out[found] = t.root[entry]
                    found += 1
            before = t.same[entry]
            entry = before if before >= 0 and _older(t, before, entry) else -1
        if items[i] >= 0:
            reach = SAMPLE_OF_EARLIER
    return found


@_uncounted
def _near(
    t: Tables, s: Scratch, entry: int, product: int, p: int, fade: float, fresh: float, n: int, forward: bool
) -> int:
    """Counts what stands within NEAR_VIEWS after or before an entry of the session's p-th last product."""
    x, at, step = s.x, entry, 0
    root_views = 1.0 / np.sqrt(float(max(t.counts[product], 1)))
    beyond = 0
    while step < NEAR_VIEWS:
        link = t.after[at] if forward else t.before[at]
        if link < 0 or (not forward and not _older(t, link, at)):
            break
        same_session = t.root[link] == t.root[entry]
        at, step = link, step + 1
        other = t.item[at]
        if not same_session:
            beyond += 1
            if beyond > ACROSS_VIEWS:
                break
        if other < 0:
            continue
        j, n = _place(s, other, n)
        if j < 0:
            break
        if not same_session:
            x[j, ACROSS] += fade * fresh / (1 + step)
            if fade * 0.1 * fresh / step > s.by_weight[j]:
                s.by_weight[j], s.by[j] = fade * 0.1 * fresh / step, product
            continue
        value = fresh / step
        cosine = root_views / np.sqrt(float(max(t.counts[other], 1)))
        if forward:
            x[j, AFTER_ANY] += value * fade
            if p == 0:
                x[j, AFTER] += value
                if step == 1:
                    x[j, NEXT] += fresh
            elif p == 1:
                x[j, AFTER_SECOND] += value
        else:
            x[j, BEFORE_ANY] += value * fade
            if p == 0:
                x[j, BEFORE] += value
        if p == 0:
            x[j, WITH_LAST] += 1
            x[j, COSINE_LAST] += cosine
        elif p == 1:
            x[j, WITH_SECOND] += 1
        x[j, WITH_ANY] += 1
        x[j, COSINE] += cosine * fade
        x[j, WITH_LATEST] = max(x[j, WITH_LATEST], fresh)
        if other != product and value * fade > s.by_weight[j]:
            s.by_weight[j], s.by[j] = value * fade, product
    return n


@_uncounted
def _follow(
    t: Tables, s: Scratch, product: int, p: int, own: Rows, owned: int, now_s: int, n: int, met: int
) -> tuple[int, int]:
    """Follows the newest views of the session's p-th last product: sessions met, and what stands near."""
    fade = np.exp(-p / _POSITION)
    entry, last_root = t.last[product], -1
    near = NEAR_SAMPLE if p == 0 else NEAR_SAMPLE_OF_EARLIER
    for k in range(SAMPLE if p == 0 else SAMPLE_OF_EARLIER):
        if entry < 0 or t.item[entry] != product:
            break
        root = t.root[entry]
        skip = root < 0 or _older(t, entry, root)  # forgotten, or begun where a younger session now is
        for j in range(owned):
            skip = skip or own[j] == root
        if not skip:
            if root != last_root:
                last_root = root
                if s.root_call[root] != s.call[0] and met < POOL:
                    s.root_call[root] = s.call[0]
                    s.root_like[root] = 0.0
                    s.root_met[root] = entry
                    s.root_by[root] = product
                    s.roots[met] = root
                    met += 1
                if s.root_call[root] == s.call[0]:
                    s.root_like[root] += fade
            if p < NEAR_PRODUCTS and k < near:
                fresh = 2.0 ** (-_days(t, entry, now_s) / _HALF_LIFE_D)
                n = _near(t, s, entry, product, p, fade, fresh, n, True)
                n = _near(t, s, entry, product, p, fade, fresh, n, False)
        before = t.same[entry]
        entry = before if before >= 0 and _older(t, before, entry) else -1
    return n, met


@_uncounted
def _end_of(t: Tables, entry: int) -> int:
    """The last entry of the session, as far as SESSION_VIEWS_AT_MOST goes."""
    for _ in range(SESSION_VIEWS_AT_MOST):
        after = t.after[entry]
        if after < 0 or t.root[after] != t.root[entry]:
            break
        entry = after
    return entry


@_uncounted
def _add_session(t: Tables, s: Scratch, root: int, end: int, like: float, now_s: int, n: int) -> int:
    """Adds what a neighbour session holds, counted by the distance from the product that both share."""
    x, entry, met = s.x, end, s.root_met[root]
    days = _days(t, end, now_s)
    fresh = 2.0 ** (-days / _FRESH_HALF_LIFE_D)
    for _ in range(2 * SESSION_VIEWS_AT_MOST):
        item = t.item[entry]
        if item >= 0:
            j, n = _place(s, item, n)
            if j < 0:
                break
            distance = abs(np.int64(t.depth[entry]) - np.int64(t.depth[met]))  # of signed numbers
            value = like * (_FADE[distance] if distance < _FADE.size else 0.0)
            x[j, KNN] += value
            x[j, FLAT] += like
            x[j, FRESH] += value * fresh
            x[j, SESSIONS] += 1
            x[j, MOST] = max(x[j, MOST], value)
            x[j, LATEST] = max(x[j, LATEST], np.float32(1.0 / (1.0 + days)))
            if value * 0.01 > s.by_weight[j] and item != s.root_by[root]:
                s.by_weight[j], s.by[j] = value * 0.01, s.root_by[root]
        before = t.before[entry]
        if before < 0 or not _older(t, before, entry) or t.root[before] != t.root[entry]:
            break
        entry = before
    return n


@_counted
def _least_of(values: Floats, n: int, keep: int) -> float:
    """The keep-th largest value, or less than all where there are no more."""
    if n <= keep:
        return -1.0
    return float(np.sort(values[:n])[n - keep])


@_uncounted
def _neighbours(t: Tables, s: Scratch, met: int, now_s: int, n: int) -> int:
    """Adds the NEIGHBOURS sessions most like this one, of those met."""
    like, ends = s.like, s.ends
    for k in range(met):
        end = _end_of(t, s.root_met[s.roots[k]])
        ends[k] = end
        views = t.depth[end] + 1.0
        like[k] = s.root_like[s.roots[k]] * 2.0 ** (-_days(t, end, now_s) / _HALF_LIFE_D) / views**_LENGTH
    least, left = _least_of(like, met, NEIGHBOURS), NEIGHBOURS
    for k in range(met):
        if like[k] >= least and left > 0:
            left -= 1
            n = _add_session(t, s, s.roots[k], ends[k], like[k], now_s, n)
    ever = float(max(t.item.size, 1))
    for j in range(n):
        if s.x[j, KNN] > 0:
            s.x[j, RARE] = s.x[j, KNN] * np.log(1.0 + ever / max(t.counts[s.rows[j]], 1))
    return n


@_uncounted
def _pairs(t: Tables, product: int) -> float:
    """What all of a product's long-lived pairs count together."""
    total = 0.0
    for k in range(t.neighbours.shape[1]):
        if t.neighbours[product, k] >= 0:
            total += t.scores[product, k]
    return total


@_uncounted
def _linked(t: Tables, s: Scratch, product: int, fade: float, n: int) -> int:
    """Adds a product's long-lived neighbours, as shares of all its pairs."""
    total = _pairs(t, product)
    if total <= 0:
        return n
    for k in range(t.neighbours.shape[1]):
        item = t.neighbours[product, k]
        if item < 0 or t.scores[product, k] <= 0:
            continue
        j, n = _place(s, item, n)
        if j < 0:
            break
        share = fade * t.scores[product, k] / total
        s.x[j, LINKED] += share
        if share * 0.01 > s.by_weight[j]:
            s.by_weight[j], s.by[j] = share * 0.01, product
    return n


@_uncounted
def _name(t: Tables, s: Scratch, product: int, fade: float) -> None:
    """Marks a product's long-lived neighbours with their shares of all its pairs; adds no candidate."""
    total = _pairs(t, product)
    if total <= 0:
        return
    for k in range(t.neighbours.shape[1]):
        item = t.neighbours[product, k]
        if item < 0:
            continue
        if s.named_call[item] != s.call[0]:
            s.named_call[item], s.named[item] = s.call[0], 0.0
        s.named[item] += np.float32(fade * t.scores[product, k] / total)


@_uncounted
def _compare(t: Tables, s: Scratch, taken: int, products: Rows, known: int) -> None:
    """Tells how much the session's products name each candidate, and how much its own neighbours are those that they
    name: products seen with the same others are alike, if nobody ever saw both."""
    for p in range(known):
        _name(t, s, products[p], np.exp(-p / _NAMING))
    for j in s.chosen[:taken]:
        item = s.rows[j]
        if item >= t.counts.size:  # the visitor's own, that the index has not met yet
            continue
        if s.named_call[item] == s.call[0]:
            s.x[j, NAMED] = s.named[item]
        total = _pairs(t, item)
        for k in range(t.neighbours.shape[1]):
            other = t.neighbours[item, k]
            if other >= 0 and total > 0 and s.named_call[other] == s.call[0]:
                s.x[j, OVERLAP] += min(np.float32(t.scores[item, k] / total), s.named[other])


@_uncounted
def _entered(s: Scratch, j: int, column: int, k: int, out: Rows, size: int) -> int:
    """Puts place j into out, the places of the k largest values of a column, the largest first; how many there are.
    Called with rising places, so that equal ones stand by place."""
    value = s.x[j, column]
    if size == k and value <= s.x[out[size - 1], column]:
        return size
    at = size if size < k else k - 1
    while at > 0 and s.x[out[at - 1], column] < value:
        out[at] = out[at - 1]
        at -= 1
    out[at] = j
    return min(size + 1, k)


@_uncounted
def _top(s: Scratch, n: int, column: int, k: int, out: Rows) -> int:
    """Places of the k largest positive values of a column into out, the largest first; equal ones by place."""
    size = 0
    for j in range(n):
        if s.x[j, column] > 0:
            size = _entered(s, j, column, k, out, size)
    return size


@_uncounted
def _second_step(t: Tables, s: Scratch, n: int) -> int:
    """Adds what is strongly linked with the best of what was found."""
    first = s.best[0]
    for k in range(_top(s, n, KNN, SECOND_STEPS, first)):
        j = first[k]
        item, weight, by = s.rows[j], s.x[j, KNN], s.by[j]
        total = np.float32(0)
        for slot in range(t.neighbours.shape[1]):
            total += t.scores[item, slot]
        for slot in range(t.neighbours.shape[1]):
            other = t.neighbours[item, slot]
            if other < 0 or t.scores[item, slot] <= 0:
                continue
            i, n = _place(s, other, n)
            if i < 0:
                return n
            s.x[i, TWO_STEPS] += weight * t.scores[item, slot] / total
            if s.by[i] < 0:
                s.by[i] = by if by >= 0 else item
    return n


@_uncounted
def _own(s: Scratch, named: Rows, at_s: Times, begin: int, now_s: int, own: bool, n: int) -> int:
    """Tells of the products the visitor looked at: in this session, and before it. own: whether they are added; if not,
    only those that another source found are told of."""
    size = named.size
    for i in range(size):
        if not own and s.item_call[named[i]] != s.call[0]:
            continue
        j, n = _place(s, named[i], n)
        if j < 0:
            break
        x = s.x[j]
        if i >= begin:
            x[OWN_VIEWS] += 1
            x[OWN_BACK] = size - i
            x[OWN_AGE] = now_s - at_s[i]
            if i > begin and named[i - 1] == named[size - 1]:
                x[OWN_NEXT] += 1
            if i + 1 < size:
                x[OWN_STAY] += min(at_s[i + 1] - at_s[i], 1800)
        else:
            x[EARLIER_VIEWS] += 1
            x[EARLIER_AGE] = (now_s - at_s[i]) / 3600.0
            x[EARLIER_BACK] = size - i
    return n


@_uncounted
def _take(s: Scratch, j: int, taken: int, keep: int) -> int:
    if s.taken[j] == 0 and taken < keep:
        s.taken[j] = 1
        s.chosen[taken] = j
        taken += 1
    return taken


@_uncounted
def _same_shelf(t: Tables, s: Scratch, last: int, most: int, n: int) -> int:
    """Adds the most popular of the last product's category within its price band, if these are known."""
    category, price, found = t.category[last], t.price[last], 0
    if category == 0:
        return n
    for k in range(t.popular.size):
        item = t.popular[k]
        near = not (t.price[item] > 2.0 * price or t.price[item] < 0.5 * price)
        if t.category[item] == category and near and item != last:
            j, n = _place(s, item, n)
            if j < 0 or found == most:
                break
            s.x[j, SAME_CATEGORY] = 1.0
            found += 1
    return n


@_uncounted
def _listed(s: Scratch, rows: Rows, most: int, mark: int, n: int) -> int:
    for k in range(min(rows.size, most)):
        j, n = _place(s, rows[k], n)
        if j < 0:
            break
        s.x[j, mark] = 1.0
    return n


@_uncounted
def _choose(s: Scratch, n: int, own: bool, keep: int) -> int:
    """Picks the candidates: turn by turn the best of each source that are not taken yet."""
    columns = (KNN, RARE, FLAT, FRESH, AFTER, AFTER_ANY, LINKED, TWO_STEPS, ACROSS)
    limits = (60, 60, 40, 40, 40, 40, 30, 60, 40)
    ranks = (
        KNN_RANK,
        RARE_RANK,
        FLAT_RANK,
        FRESH_RANK,
        AFTER_RANK,
        AFTER_ANY_RANK,
        LINKED_RANK,
        TWO_STEPS_RANK,
        ACROSS_RANK,
    )
    best, sizes = s.best, s.sizes
    sizes[:] = 0
    for j in range(n):  # product by product, since one's numbers lie together
        s.taken[j] = 0
        for c in range(len(columns)):
            s.x[j, ranks[c]] = NO_RANK
            if s.x[j, columns[c]] > 0:
                sizes[c] = _entered(s, j, columns[c], limits[c], best[c], sizes[c])
    for c in range(len(columns)):
        for k in range(sizes[c]):
            s.x[best[c, k], ranks[c]] = k
    taken = 0
    if own:
        for j in range(n - 1, -1, -1):
            mine = s.x[j, OWN_VIEWS] > 0 and s.x[j, OWN_BACK] <= 40
            if mine or (s.x[j, EARLIER_VIEWS] > 0 and s.x[j, EARLIER_BACK] <= 20):
                taken = _take(s, j, taken, keep)
    for k in range(BEST_OF_A_SOURCE):
        for c in range(len(columns)):
            if k < sizes[c] and taken < keep - 15:
                taken = _take(s, best[c, k], taken, keep)
    for mark in (ALIKE, SAME_CATEGORY, POPULAR, AGE):
        for j in range(n):
            if s.x[j, mark] == 1.0:
                taken = _take(s, j, taken, keep)
    shares, of = (KNN_SHARE, FLAT_SHARE, AFTER_SHARE, TWO_STEPS_SHARE, RARE_SHARE), (0, 2, 4, 7, 1)
    for k in range(len(of)):
        most = s.x[best[of[k], 0], columns[of[k]]] if sizes[of[k]] else np.float32(1)
        for j in s.chosen[:taken]:
            s.x[j, shares[k]] = s.x[j, columns[of[k]]] / most
    for j in s.chosen[:taken]:
        for rank in ranks:
            if s.x[j, rank] < NO_RANK:
                s.x[j, FUSED] += 1.0 / (FUSION + s.x[j, rank])
    return taken


@_uncounted
def _source(x: Floats, own: bool) -> int:
    """The place in SOURCES of the source that has most to say of a candidate."""
    if own and x[OWN_VIEWS] > 0:
        return 3
    if own and x[EARLIER_VIEWS] > 0:
        return 4
    if x[NEXT] > 0:
        return 1
    if x[KNN] > 0 or x[WITH_ANY] > 0 or x[ACROSS] > 0 or x[LINKED] > 0:
        return 0
    if x[TWO_STEPS] > 0 or x[ALIKE] > 0:
        return 2
    if x[SAME_CATEGORY] > 0:
        return 5
    return 6 if x[POPULAR] > 0 else 7


@_uncounted
def _repeats(named: Rows, begin: int) -> tuple[int, float]:
    """How often in a row the session's last product was looked at, and the share of its steps that led nowhere else."""
    run, again, size = 0, 0, named.size
    while run < size - begin and named[size - 1 - run] == named[size - 1]:
        run += 1
    for i in range(begin + 1, size):
        again += named[i] == named[i - 1]
    return run, again / (size - begin - 1) if size - begin > 1 else np.nan


@_uncounted
def _describe(
    t: Tables,
    s: Scratch,
    taken: int,
    items: Rows,
    named: Rows,
    at_s: Times,
    begin: int,
    now_s: int,
    different: int,
    met: int,
    own: bool,
) -> None:
    """Fills in what does not depend on a source."""
    size, in_session = items.size, max(items.size - begin, 1)
    last, last_price = -1, np.float32(np.nan)
    if size:
        last = items[size - 1]
    for i in range(size):
        if items[i] >= 0 and t.price[items[i]] >= 0:
            last_price = t.price[items[i]]
    run, again = _repeats(named, begin)
    gap = np.float32(at_s[size - 1] - at_s[size - 2]) if size - begin > 1 else np.float32(np.nan)
    nexts, knns = 1e-9, 1e-9
    for k in range(taken):
        nexts += s.x[s.chosen[k], NEXT]
        knns += s.x[s.chosen[k], KNN]
    for k in range(taken):
        x, item = s.x[s.chosen[k]], s.rows[s.chosen[k]]
        s.taken[s.chosen[k]] = _source(x, own)
        x[IS_LAST] = 1.0 if size and item == named[size - 1] else 0.0
        x[SESSION_VIEWS], x[SESSION_PRODUCTS] = size - begin, different
        x[TAIL_BEFORE] = begin
        x[REPEATED] = 1.0 - different / in_session
        x[FOUND] = met
        x[RUN], x[SELF_SHARE], x[LAST_GAP] = run, again, gap
        x[SESSION_S] = now_s - at_s[begin] if size > begin else np.nan
        x[NEXT_PART], x[KNN_PART] = x[NEXT] / nexts, x[KNN] / knns
        x[LAST_VIEWS] = t.counts[last] if last >= 0 else 0
        x[ALS], x[ALS_RANK], x[ALIKE] = np.nan, np.nan, np.nan
        _facts(t, x, item, items, begin, last, last_price, now_s)


@_uncounted
def _facts(t: Tables, x: Floats, item: int, items: Rows, begin: int, last: int, last_price: Any, now_s: int) -> None:
    """Fills in what the index knows of a product, and how it compares with what the visitor looked at."""
    x[TREND], x[POPULAR], x[RISING], x[VIEWS] = 0.0, 0.0, 0.0, 0.0
    x[AGE], x[SINCE], x[PRICE], x[PRICE_TO_LAST] = np.nan, np.nan, np.nan, np.nan
    x[SAME_CATEGORY], x[CATEGORY_SHARE] = np.nan, np.nan
    x[TREND_TO_LAST], x[VIEWS_TO_LAST] = np.nan, np.nan
    if item >= t.counts.size:  # the visitor's own, that the index has not met yet
        return
    newest = t.last[item]
    trend, popular = t.popularity[item, 0], t.popularity[item, 1]
    x[TREND], x[POPULAR], x[RISING] = trend, popular, trend / (popular + 0.1)
    x[AGE] = _ago(now_s, t.first[item]) / 3600.0
    if newest >= 0 and t.item[newest] == item:
        x[SINCE] = _ago(now_s, t.at[newest])
    x[VIEWS] = t.counts[item]
    x[PRICE] = t.price[item]
    x[PRICE_TO_LAST] = np.log((t.price[item] + 1.0) / (last_price + 1.0))
    if last >= 0:
        x[TREND_TO_LAST] = np.log((trend + 0.1) / (t.popularity[last, 0] + 0.1))
        x[VIEWS_TO_LAST] = np.log((t.counts[item] + 1.0) / (t.counts[last] + 1.0))
    category = t.category[item]
    if category > 0:
        alike = 0
        for i in range(begin, items.size):
            if items[i] >= 0 and t.category[items[i]] == category:
                alike += 1
        x[CATEGORY_SHARE] = alike / max(items.size - begin, 1)
        if last >= 0 and t.category[last] > 0:
            x[SAME_CATEGORY] = 1.0 if t.category[last] == category else 0.0


@_counted
def gather(
    t: Tables,
    s: Scratch,
    items: Rows,
    named: Rows,
    at_s: Times,
    alike: Rows,
    begin: int,
    now_s: int,
    own: bool,
    keep: int,
) -> int:
    """Candidates for a visitor whose products are `items` (rows, -1 unknown, in time order), looked at at_s (seconds).

    named: the same, unknown ones as numbers from the index's length on. alike: rows of products like theirs. begin:
    where their session begins. own: whether their own products are a source. How many were found: their places are
    s.chosen, and s.rows, s.by, s.taken and s.x hold at each place the product, the product that led to it (-1: none),
    its place in SOURCES and its FEATURES.
    """
    s.call[0] += 1
    products, roots = np.empty(PRODUCTS, np.int32), np.empty(OWN_SESSIONS, np.int32)
    known, different = _distinct(items, begin, products)
    owned = _own_roots(t, items, at_s, begin, roots)
    n, met = 0, 0
    for p in range(known):
        n, met = _follow(t, s, products[p], p, roots, owned, now_s, n, met)
    n = _neighbours(t, s, met, now_s, n)
    for p in range(min(known, NEAR_PRODUCTS)):
        n = _linked(t, s, products[p], np.exp(-p / _POSITION), n)
    n = _second_step(t, s, n)
    if known:
        n = _same_shelf(t, s, products[0], 10, n)
    n = _listed(s, alike, alike.size, ALIKE, n)
    n = _listed(s, t.popular, max(20, keep - OTHER_SOURCES), POPULAR, n)
    n = _listed(s, t.fresh, 5, AGE, n)
    n = _own(s, named, at_s, begin, now_s, own, n)
    taken = _choose(s, n, own, keep)
    _compare(t, s, taken, products, known)
    _describe(t, s, taken, items, named, at_s, begin, now_s, different, met, own)
    return int(taken)
