"""The file of `tact test-policy`: example visitors, and what they should and should not see.

* PolicyError   the file cannot be used; lists every problem as file:line:column: message
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.gates import GATE_NAMES
from models.intent import INTENTS
from models.policy_fields import (
    BAD,
    NODE,
    Choice,
    Either,
    Field,
    Flag,
    Json,
    ListOf,
    MapOf,
    Moment,
    Number,
    Report,
    Table,
    Text,
)
from models.policy_file import Node, PolicyError, Problem, parse
from models.policy_terms import PURPOSES, Policy
from models.stage import STAGES

SILENCE: Final = "silence"
_ID: Final = "[a-z0-9][a-z0-9_.-]*"
_SHARE = Number(0, 1)


@dataclass(frozen=True, slots=True)
class Plain:
    """Whatever stands there, as plain values; who takes it says what is wrong with it."""

    def read(self, node: Node, report: Report) -> Any:
        return plain(node)

    def json(self) -> Json:
        return {}


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, a number, or true or false."""

    def read(self, node: Node, report: Report) -> Any:
        if isinstance(node.value, str | int | float):
            return node.value
        report(node, "expected text, a number, true or false")
        return BAD

    def json(self) -> Json:
        return {"type": ["string", "number", "boolean"]}


def plain(node: Node) -> Any:
    """A node's value with everything below it."""
    if isinstance(node.value, dict):
        return {name: plain(below) for name, below in node.value.items()}
    return [plain(below) for below in node.value] if isinstance(node.value, list) else node.value


EXPECTED: Final = Table(
    (
        Field("sees", ListOf(Text(64)), "Actions that can show: their gates are open and they win in some draws."),
        Field(
            "never",
            ListOf(Either(Text(64), MapOf(Choice(GATE_NAMES), _ID))),
            "Actions that cannot show; `ACTION: GATE` also says which gate has to be closed.",
        ),
        Field("chosen", Text(64), "What shows most likely: an action, or `silence`."),
        Field("silence", Flag(), "Whether nothing can show at all."),
    )
)
CASE: Final = Table(
    (
        Field("name", Text(200), "What this visitor is an example of.", required=True),
        Field("now", Moment(), "When it happens; the file's `now` if left out."),
        Field("user_id", Text(128), "Who is logged in."),
        Field(
            "events",
            ListOf(Table((), Plain())),
            "What happened before, as in `POST /v1/events`, with `ago_s` for `ts`.",
        ),
        Field("context", Table((), Plain()), "The page, as in `POST /v1/decisions`."),
        Field("consent", ListOf(Choice(PURPOSES)), "What the visitor allows; what the policy assumes if left out."),
        Field("attributes", MapOf(Scalar()), "What the shop told of the visitor."),
        Field("stage", Either(Choice(STAGES), MapOf(_SHARE)), "The likeliest stage, or probabilities by stage."),
        Field("intent", MapOf(_SHARE), "Probabilities by intent; 0 if left out."),
        Field("bundle", Text(1000), "Folder of a bundle that scores, in place of `stage` and `intent`."),
        Field("recommended", ListOf(Text(128)), "Ids of the products a recommender would find, best first."),
        Field("degraded", Flag(), "Whether the visitor's state is out of reach (false)."),
        Field("expect", MapOf(EXPECTED, _ID), "By placement, what should and should not show.", required=True),
    )
)
TESTS: Final = Table(
    (
        Field("now", Moment(), "When the cases happen.", required=True),
        Field("catalog", Plain(), "Products as in `PUT /v1/catalog/items`, or an NDJSON file of them."),
        Field("cases", ListOf(CASE, 1), "The example visitors.", required=True),
    )
)


@dataclass(frozen=True, slots=True)
class Tests:
    """A file that was read. cases and catalog: as TESTS reads them; `at` finds where something stands."""

    filename: str
    now_ms: int
    catalog: Any
    cases: tuple[Mapping[str, Any], ...]

    def problem(self, node: Node, message: str) -> Problem:
        return Problem(self.filename, node.line, node.column, message)


def node_of(read: Mapping[str, Any], *path: str | int) -> Node:
    """Where a field stands, or the nearest above it."""
    node: Node = read[NODE]
    for depth in range(len(path), 0, -1):
        found = node.get(*path[:depth])
        if found is not None:
            return found
    return node


def read_tests(text: str, filename: str, policy: Policy) -> Tests:
    """The tests of a file's text. Raises PolicyError with every problem, also for names the policy does not have."""
    root, problems = parse(text, filename)

    def report(node: Node, message: str) -> None:
        problems.append(Problem(filename, node.line, node.column, message))

    read = TESTS.read(root, report)
    if read is not BAD:
        for case in read.get("cases", ()):
            _fits(case, policy, report)
    if problems:
        raise PolicyError(tuple(sorted(set(problems))))
    return Tests(filename, read["now"], read.get("catalog"), read["cases"])


def _fits(case: Mapping[str, Any], policy: Policy, report: Report) -> None:
    """What a single field cannot tell."""
    scored = "stage" in case or "intent" in case
    if not case.get("degraded") and ("stage" in case) == ("bundle" in case):
        report(case[NODE], "a case gives 'stage' or 'bundle', and not both")
    elif scored and "bundle" in case:
        report(node_of(case, "bundle"), "'bundle' scores: leave out 'stage' and 'intent'")
    _named(case, "stage", STAGES, report)
    _named(case, "intent", INTENTS, report)
    if isinstance(case.get("stage"), dict) and not 0.99 <= sum(case["stage"].values()) <= 1.01:
        report(node_of(case, "stage"), "the stages' probabilities do not sum to 1")
    for placement, expected in case.get("expect", {}).items():
        _known(case, placement, expected, policy, report)


def _named(case: Mapping[str, Any], field: str, known: tuple[str, ...], report: Report) -> None:
    given = case.get(field)
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            report(node_of(case, field, name), f"unknown {field} {name!r}; there are {', '.join(known)}")


def _known(
    case: Mapping[str, Any], placement: str, expected: Mapping[str, Any], policy: Policy, report: Report
) -> None:
    """The placement and the actions are the policy's."""
    if policy.placement(placement) is None:
        report(expected[NODE], f"the policy has no placement {placement!r}; it has {', '.join(policy.at)}")
        return
    here = {policy.actions[place].id for place in policy.at[placement]}
    for field, name, place in named_in(expected):
        if name == SILENCE and field == "chosen":
            continue
        node = node_of(expected, field, *place)
        if policy.action(name) is None:
            report(node, f"the policy has no action {name!r}")
        elif name not in here and field != "never":
            report(node, f"{name!r} does not stand at {placement!r}: it can never be seen there")


def named_in(expected: Mapping[str, Any]) -> list[tuple[str, str, tuple[int, ...]]]:
    """(field, action, its place in the field's list) of every action an expectation names."""
    found = [("sees", name, (i,)) for i, name in enumerate(expected.get("sees", ()))]
    for i, entry in enumerate(expected.get("never", ())):
        found += [("never", name, (i,)) for name in (entry if isinstance(entry, dict) else (entry,))]
    return found + ([("chosen", expected["chosen"], ())] if "chosen" in expected else [])
