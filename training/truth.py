"""A truth: a simulated shop, in one YAML file: who visits, how a visit moves on, and what each message really does.

The form of the file is docs/simulation.md; TRUTH below is the one table that the reader and that page share.

* TruthError   the file cannot be used; lists every problem as file:line:column: message
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.action_kinds import ACTION_KINDS
from models.policy_fields import BAD, NODE, Choice, Either, Field, ListOf, MapOf, Number, Report, Table, Text
from models.policy_file import Node, PolicyError, Problem, decoded, parse
from models.stage import STAGES

FOLDER: Final = Path(__file__).parent / "truths"
SHAPES: Final = ("step", "sine", "fade")
_ID: Final = Text(41, "[a-z][a-z0-9_-]{0,40}", "an id: a small letter, then small letters, digits, '_' and '-'")
_SHARE, _EFFECT = Number(0, 1), Number(-1, 1)


def _stages(of: Number) -> Table:
    return Table(tuple(Field(stage, of, f"In {stage} (0).") for stage in STAGES))


_SHARES, _EFFECTS = _stages(_SHARE), _stages(_EFFECT)
SIGNALS: Final = Table(
    (
        Field("channel", MapOf(_SHARE), "How they come: a share for each name; the shares sum to 1."),
        Field("device", MapOf(_SHARE), "On what, likewise."),
        Field("returning", _SHARE, "The share that has been here before (0)."),
    )
)
PERSONA: Final = Table(
    (
        Field("id", _ID, "The persona's name.", required=True),
        Field("share", _SHARE, "Its share of the visits; all sum to 1.", required=True),
        Field("order", Either(_SHARE, _SHARES), "Chance of ordering at a moment of each stage.", required=True),
        Field("leave", Either(_SHARE, _SHARES), "Chance of leaving after a moment of each stage.", required=True),
        Field("signals", SIGNALS, "What can be seen of it."),
        Field("answers", MapOf(Number(-5, 5)), "By kind of message: times the effect (1)."),
        Field("impatience", Number(0, 20), "Times the harm of further messages (1)."),
    )
)
DRIFT: Final = Table(
    (
        Field("shape", Choice(SHAPES), "At `day` (step), back and forth (sine), or dwindling (fade).", required=True),
        Field("to", Number(-5, 5), "The factor on the effect in the end; of a sine, at its trough.", required=True),
        Field("day", Number(0, 10_000), "When a step happens; when a fade or a sine begins (0)."),
        Field("days", Number(0.1, 10_000), "A sine's period; how long a fade takes to come half the way (10)."),
    )
)
ACTION: Final = Table(
    (
        Field("id", _ID, "The action's name.", required=True),
        Field("kind", Choice(ACTION_KINDS), "What sort of message it is.", required=True),
        Field("placements", ListOf(_ID, 1), "Where it may stand; everywhere if left out."),
        Field("cost", Number(0, 1e6), "What an interruption costs, in money; by kind if left out."),
        Field("effect", Either(_EFFECT, _EFFECTS), "What it adds to the chance of ordering.", required=True),
        Field("click", _SHARE, "Share of those who see it that click it (0); says nothing of its effect."),
        Field("dismissal", _SHARE, "Share of those who see it that dismiss it (0)."),
        Field("per_session", Number(1, 100, whole=True), "The policy's cap on it in one visit; none if left out."),
        Field("drift", DRIFT, "How its effect changes over the days."),
    )
)
PLACEMENT: Final = Table(
    (
        Field("id", _ID, "The placement's name.", required=True),
        Field("stages", Either(_SHARE, _SHARES), "Share of a stage's moments that are about it.", required=True),
    )
)
HARM: Final = Table(
    (
        Field("effect_fades", Number(0, 10), "A good effect is divided by 1 + this x weariness so far (0)."),
        Field("irritates", _SHARE, "Taken off the chance of ordering, x weariness so far, when one more is shown (0)."),
        Field("leaves_more", _SHARE, "Added to the chance of leaving, x weariness, when one is shown (0)."),
        Field("dismissal_weighs", Number(0, 10, whole=True), "How many messages a dismissed one counts (2)."),
    )
)
TRUTH: Final = Table(
    (
        Field("name", _ID, "The shop's name.", required=True),
        Field("description", Text(2000), "What is particular about it."),
        Field("visits_per_day", Number(1, 1e7), "How many visits a day has.", required=True),
        Field("order_value", Number(0.01, 1e6), "What an order is worth, in money.", required=True),
        Field("most_moments", Number(1, 60, whole=True), "Decisions of a visit at most (12)."),
        Field("stage_signal", Number(0, 20), "How far apart the scores see stages, in standard deviations (2)."),
        Field("start", _SHARES, "Shares of the stages that visits begin in; they sum to 1.", required=True),
        Field("moves", Table(tuple(Field(s, _SHARES, f"From {s}.") for s in STAGES)), "Next stage.", required=True),
        Field("personas", ListOf(PERSONA, 1), "Who visits.", required=True),
        Field("placements", ListOf(PLACEMENT, 1), "Where a moment is; one placement each.", required=True),
        Field("actions", ListOf(ACTION, 1), "What can be shown, in the shop's own order of priority.", required=True),
        Field("harm", HARM, "What too many messages do."),
        Field("session_budget", Number(1, 100, whole=True), "The policy's limit of messages in a visit."),
    )
)

Row = tuple[float, ...]


class TruthError(Exception):
    """A truth file that cannot be used. problems: all of them, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Drift:
    """A factor on an effect over time. The fields are the file's."""

    shape: str
    to: float
    day: float = 0.0
    days: float = 10.0

    def at(self, day: float) -> float:
        """The factor on a day (with its fraction)."""
        since = day - self.day
        if since < 0:
            return 1.0
        if self.shape == "step":
            return self.to
        if self.shape == "fade":
            return float(self.to + (1.0 - self.to) * 0.5 ** (since / self.days))
        return 1.0 + (self.to - 1.0) * 0.5 * (1.0 - math.cos(2 * math.pi * since / self.days))


@dataclass(frozen=True, slots=True)
class Persona:
    """Who visits. order, leave: by stage (6,). signals: shares by name. answers: factor by kind, 1 if not there."""

    id: str
    share: float
    order: Row
    leave: Row
    channel: Mapping[str, float]
    device: Mapping[str, float]
    returning: float
    answers: Mapping[str, float]
    impatience: float


@dataclass(frozen=True, slots=True)
class Message:
    """What can be shown. effect: on the chance of ordering, by stage (6,). cost: None is the kind's own."""

    id: str
    kind: str
    placements: tuple[str, ...]
    cost: float | None
    effect: Row
    click: float
    dismissal: float
    per_session: int | None
    drift: Drift | None


@dataclass(frozen=True, slots=True)
class Harm:
    """What too many messages do. The fields are the file's."""

    effect_fades: float = 0.0
    irritates: float = 0.0
    leaves_more: float = 0.0
    dismissal_weighs: int = 2


@dataclass(frozen=True, slots=True)
class Truth:
    """A simulated shop. start: (6,). moves: (6, 6), from the row's stage. placements: id and share by stage (6,)."""

    name: str
    description: str
    visits_per_day: float
    order_value: float
    most_moments: int
    stage_signal: float
    start: Row
    moves: tuple[Row, ...]
    personas: tuple[Persona, ...]
    placements: tuple[tuple[str, Row], ...]
    actions: tuple[Message, ...]
    harm: Harm
    session_budget: int | None

    @property
    def drifts(self) -> bool:
        """Whether any effect changes over time."""
        return any(action.drift is not None for action in self.actions)


def read_truth(path: Path) -> Truth:
    """The truth of a file. Raises TruthError, also where the file cannot be read."""
    try:
        return load_truth(decoded(path.read_bytes(), str(path)), str(path))
    except OSError as error:
        raise TruthError((Problem(str(path), 1, 0, error.strerror or str(error)),)) from error
    except PolicyError as error:
        raise TruthError(error.problems) from error


def load_truth(text: str, filename: str) -> Truth:
    """The truth of a file's text. Raises TruthError with every problem found."""
    try:
        root, problems = parse(text, filename)
    except PolicyError as error:
        raise TruthError(error.problems) from error

    def report(node: Node, message: str) -> None:
        problems.append(Problem(filename, node.line, node.column, message))

    read = TRUTH.read(root, report)
    if read is not BAD and not problems:
        _check(read, report)
    if problems:
        raise TruthError(tuple(sorted(set(problems))))
    return _truth(read)


def _check(read: Mapping[str, Any], report: Report) -> None:
    """What the fields alone cannot know."""
    _sums_to_one(read["start"], _row(read["start"]), "the shares of `start`", report)
    for stage in STAGES:
        line = read["moves"].get(stage)
        if line is None:
            report(read["moves"][NODE], f"{stage!r} is missing: where a visit goes from it")
        else:
            _sums_to_one(line, _row(line), f"the shares of `moves` from {stage}", report)
    _check_personas(read["personas"], report)
    _check_placements(read["placements"], report)
    _check_actions(read["actions"], tuple(p["id"] for p in read["placements"]), report)


def _check_personas(personas: tuple[Mapping[str, Any], ...], report: Report) -> None:
    _once(personas, "persona", report)
    _sums_to_one(personas[0], tuple(p["share"] for p in personas), "the shares of the personas", report)
    for persona in personas:
        for signal in ("channel", "device"):
            shares = persona.get("signals", {}).get(signal)
            if shares is not None:
                _sums_to_one(persona, tuple(shares.values()), f"the shares of `{signal}`", report)
        for kind in persona.get("answers", {}):
            if kind not in ACTION_KINDS:
                report(persona[NODE], f"`answers` names {kind!r}, which is no kind of action")
        both = zip(_row(persona["order"]), _row(persona["leave"]), STAGES, strict=True)
        for order, leave, stage in both:
            if order + leave <= 0:
                report(persona[NODE], f"in {stage} a visit could never end: both `order` and `leave` are 0")


def _check_placements(placements: tuple[Mapping[str, Any], ...], report: Report) -> None:
    _once(placements, "placement", report)
    rows = [_row(p["stages"]) for p in placements]
    for place, stage in enumerate(STAGES):
        _sums_to_one(placements[0], tuple(row[place] for row in rows), f"the placements' shares of {stage}", report)


def _check_actions(actions: tuple[Mapping[str, Any], ...], places: tuple[str, ...], report: Report) -> None:
    _once(actions, "action", report)
    for action in actions:
        for place in action.get("placements", ()):
            if place not in places:
                report(action[NODE], f"unknown placement {place!r}; the file has {', '.join(places)}")
        if action.get("click", 0.0) + action.get("dismissal", 0.0) > 1:
            report(action[NODE], "`click` and `dismissal` together are above 1")


def _once(tables: tuple[Mapping[str, Any], ...], what: str, report: Report) -> None:
    seen = set()
    for table in tables:
        if table["id"] in seen:
            report(table[NODE], f"{what} {table['id']!r} stands twice")
        seen.add(table["id"])


def _sums_to_one(table: Mapping[str, Any], shares: tuple[float, ...], what: str, report: Report) -> None:
    if abs(sum(shares) - 1) > 1e-6:
        report(table[NODE], f"{what} sum to {sum(shares):g} instead of 1")


def _row(read: float | Mapping[str, Any]) -> Row:
    """Six numbers of a stage table or one number."""
    if isinstance(read, Mapping):
        return tuple(float(read.get(stage, 0.0)) for stage in STAGES)
    return (float(read),) * len(STAGES)


def _truth(read: Mapping[str, Any]) -> Truth:
    places = tuple((p["id"], _row(p["stages"])) for p in read["placements"])
    return Truth(
        name=read["name"],
        description=read.get("description", ""),
        visits_per_day=read["visits_per_day"],
        order_value=read["order_value"],
        most_moments=read.get("most_moments", 12),
        stage_signal=read.get("stage_signal", 2.0),
        start=_row(read["start"]),
        moves=tuple(_row(read["moves"][stage]) for stage in STAGES),
        personas=tuple(_persona(p) for p in read["personas"]),
        placements=places,
        actions=tuple(_message(a, tuple(name for name, _ in places)) for a in read["actions"]),
        harm=Harm(**_given(read["harm"])) if "harm" in read else Harm(),
        session_budget=read.get("session_budget"),
    )


def _given(read: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in read.items() if name != NODE}


def _persona(read: Mapping[str, Any]) -> Persona:
    signals = read.get("signals", {})
    return Persona(
        id=read["id"],
        share=read["share"],
        order=_row(read["order"]),
        leave=_row(read["leave"]),
        channel=signals.get("channel", {"any": 1.0}),
        device=signals.get("device", {"any": 1.0}),
        returning=signals.get("returning", 0.0),
        answers=read.get("answers", {}),
        impatience=read.get("impatience", 1.0),
    )


def _message(read: Mapping[str, Any], places: tuple[str, ...]) -> Message:
    return Message(
        id=read["id"],
        kind=read["kind"],
        placements=read.get("placements", places),
        cost=read.get("cost"),
        effect=_row(read["effect"]),
        click=read.get("click", 0.0),
        dismissal=read.get("dismissal", 0.0),
        per_session=read.get("per_session"),
        drift=Drift(**_given(read["drift"])) if "drift" in read else None,
    )


def sections() -> tuple[tuple[str, Table], ...]:
    """The tables of a truth file under the headings of docs/simulation.md."""
    return (
        ("The truth", TRUTH),
        ("A persona", PERSONA),
        ("Signals", SIGNALS),
        ("A placement of a truth", PLACEMENT),
        ("An action of a truth", ACTION),
        ("Drift", DRIFT),
        ("Harm", HARM),
    )
