"""`tact evaluate recommend`: next products as session-rec evaluates them, frozen and prequential, beside the published
methods, with paired intervals. The protocol is in docs/recommend.md.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from training.figures import number
from training.metrics_recommend import Scale, ahead, figures, places
from training.next_item import Ints, NextItem, Rows
from training.next_regimes import ALS_ONCE, BASELINES, Learn, as_it_happens, frozen_baselines, learning_baselines
from training.next_views import Task, task_of
from training.split import Window
from training.table import Log, Progress

REGIMES: Final = ("frozen", "prequential")
OURS: Final = ("tact", "tact_without_own")
RECOMMENDERS: Final = (*OURS, *BASELINES)


class Ours(Protocol):
    """What is evaluated beside the baselines: OURS by name, knowing the catalogue's numbers."""

    def frozen(self) -> Mapping[str, NextItem]:
        """As they are at the end of training."""

    def learning(self) -> tuple[Mapping[str, NextItem], Learn]:
        """As they learn, and what to call with the time before which events are known."""


OursOf = Callable[[Task], Ours]
"""Made for a task, so that it can use its numbers of products."""


def evaluate_recommend(
    log: Log,
    train: Window,
    test_log: Log,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int | None = None,
    ours: OursOf | None = None,
    without_ours: str = "not evaluated",
    regimes: Sequence[str] = REGIMES,
    one_view: bool = False,
) -> dict[str, Any]:
    """By regime and recommender MEASURES with `_ci`, the same with `_seen`; `ahead`, `n`, `sessions`, `seen_share`.

    log, test_log: the same log or two; their records reach past the test window's end. max_prefix: views of a test
    session that count; None for all. Figures are null, with a `reason`, where there is nothing to compute them from,
    and without_ours says so of OURS. one_view: whether everyone learns sessions of one view, too.
    """
    task = task_of(log, train, test_log, test, max_prefix, one_view)
    made = ours(task) if ours is not None else None
    scales = Scale.of(task.everything, seed), Scale.of(task.seen, seed)
    found = {}
    for regime in regimes:
        answered = _answered(task, made, regime, seed, progress)
        missing = {**dict.fromkeys(OURS, without_ours), "als": ALS_ONCE}
        nothing = _nothing_to_test(task, regime)
        found[regime] = _figures(task, answered, scales, missing, nothing)
    return found


Places = dict[str, tuple[Ints, Ints]]
"""By recommender: places of all targets and of those in sessions without unseen products."""


def _answered(task: Task, ours: Ours | None, regime: str, seed: int, progress: Progress) -> Places:
    """Asks everyone both sets of targets."""
    sets, what = (task.everything, task.seen), f"recommending, {regime}"
    if not len(task.everything) or (regime == "frozen" and not len(task.train)):
        return {}
    if regime == "frozen":
        answers = _frozen(task, ours, seed, lambda share: progress(what, share))
    else:
        published, feed = learning_baselines(task)
        own, learn = ours.learning() if ours else ({}, _nothing)
        asked = [one.asked for one in sets]
        answers = as_it_happens(asked, _both(feed, learn), {**own, **published}, lambda share: progress(what, share))
    return {name: (places(found[0], task.everything), places(found[1], task.seen)) for name, found in answers.items()}


def _frozen(task: Task, ours: Ours | None, seed: int, told: Callable[[float], None]) -> dict[str, list[Rows]]:
    told(0.0)
    methods = {**(ours.frozen() if ours else {}), **frozen_baselines(task, seed)}
    answers = {}
    for done, (name, method) in enumerate(methods.items()):
        answers[name] = [method.rank(one.asked) for one in (task.everything, task.seen)]
        told((done + 1) / len(methods))
    return answers


def _nothing(_until_ms: int) -> None:
    """Nothing to learn."""


def _both(first: Learn, second: Learn) -> Learn:
    def learn(until_ms: int) -> None:
        first(until_ms)
        second(until_ms)

    return learn


def _figures(
    task: Task, answered: Places, scales: tuple[Scale, Scale], missing: Mapping[str, str], nothing: str
) -> dict[str, Any]:
    """One regime's figures."""
    out: dict[str, Any] = {}
    for name in RECOMMENDERS:
        everything, seen = answered.get(name, (None, None))
        why = nothing or ("" if name in answered else missing.get(name, ""))
        unseen = why or "training saw none of the targets"
        out[name] = figures(seen, scales[1], unseen, "_seen") | figures(everything, scales[0], why)
    first = {name: answered.get(name, (None, None))[0] for name in RECOMMENDERS}
    for ours, key in (("tact", "ahead"), ("tact_without_own", "ahead_without_own")):
        out[key] = {name: ahead(first[ours], first[name], scales[0]) for name in BASELINES}
    counts = {"n": len(task.everything), "n_seen": len(task.seen), "sessions": scales[0].weights.shape[1]}
    return out | counts | {"seen_share": None if task.seen_share is None else number(task.seen_share)}


def _nothing_to_test(task: Task, regime: str) -> str:
    """Why nothing can be tested, "" if it can."""
    if regime == "frozen" and not len(task.train):
        return "no training session views two products"
    return "" if len(task.everything) else "no test session views two products"
