"""Running persona tests: each placement is decided with exact propensities, and held against what is expected."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from features.catalog import Catalog
from models import receipt as receipts
from models.arbitration import Draws, prior_draws
from models.chosen import Chosen
from models.decision import Decision, Scoring, decide
from models.policy_file import Node
from models.policy_terms import Arms, Policy
from tact.persona_visitor import GivenScores, Persona
from tact.personas import SILENCE, Tests, named_in, node_of

FindBundle = Callable[[str], Scoring]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold. place: file:line:column of it; policy: file:line of the action, or ""."""

    case: str
    placement: str
    place: str
    message: str
    policy: str = ""

    def __str__(self) -> str:
        where = f" ({self.policy})" if self.policy else ""
        return f"{self.place}: {self.case}: {self.placement}: {self.message}{where}"


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run. checked: how many expectations it has."""

    name: str
    checked: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the cases of a file. policy: without its holdout and arms: every visitor is served alike."""

    tests: Tests
    policy: Policy
    catalog: Catalog
    draws: Draws
    bundle: FindBundle

    @classmethod
    def of(cls, tests: Tests, policy: Policy, catalog: Catalog, bundle: FindBundle) -> "Runner":
        served = replace(policy, holdout=0.0, arms=Arms(0.0, 0.0, 0.0, 0.0))
        return cls(tests, served, catalog, prior_draws(policy), bundle)

    def run(self, case: Mapping[str, Any]) -> Ran:
        """One case. Raises service.errors.Problem for an event or page that the service would refuse."""
        persona = Persona.of(case, self.tests.now_ms, self.policy, self.catalog)
        scoring: Scoring | None = None
        if not case.get("degraded"):
            given = "bundle" not in case
            scoring = GivenScores.of(case["stage"], case.get("intent", {})) if given else self.bundle(case["bundle"])
        failures, checked = [], 0
        for placement, expected in case["expect"].items():
            inputs = persona.inputs(placement, self.policy, self.catalog)
            seen = _Seen(self, case["name"], decide(inputs, scoring, self.policy, self.draws))
            failures += [*seen.against(expected)]
            checked += len(named_in(expected)) + ("silence" in expected)
        return Ran(case["name"], checked, tuple(failures))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one placement gave."""

    runner: Runner
    case: str
    decision: Decision

    @property
    def chosen(self) -> Chosen:
        return self.decision.chosen[0]

    def against(self, expected: Mapping[str, Any]) -> Iterator[Failure]:
        """What does not hold, in the file's order of fields."""
        for place, name in enumerate(expected.get("sees", ())):
            if not self._propensity(name):
                yield self._failure(node_of(expected, "sees", place), f"{name} cannot show: {self._why(name)}", name)
        for place, entry in enumerate(expected.get("never", ())):
            gates = entry if isinstance(entry, dict) else {entry: ""}
            for name, gate in gates.items():
                yield from self._never(node_of(expected, "never", place), name, gate)
        yield from self._outcome(expected)

    def _never(self, node: Node, name: str, gate: str) -> Iterator[Failure]:
        closed = self._gate(name)
        if self._propensity(name):
            because = f", and gate {gate} is open" if gate else ""
            yield self._failure(node, f"{name} can show, with propensity {self._propensity(name):.3f}{because}", name)
        elif gate and closed != gate:
            yield self._failure(node, f"gate {gate} does not block {name}: {self._why(name)}", name)

    def _outcome(self, expected: Mapping[str, Any]) -> Iterator[Failure]:
        likely = self._likeliest()
        if "chosen" in expected and expected["chosen"] != likely:
            wanted = expected["chosen"]
            why = "" if wanted == SILENCE else f"; {wanted}: {self._why(wanted)}"
            yield self._failure(node_of(expected, "chosen"), f"{self._shown(likely)} shows most likely{why}", likely)
        possible = [c.action for c in self.chosen.candidates if c.propensity]
        if "silence" in expected and expected["silence"] == bool(possible):
            said = f"{', '.join(possible)} can show" if possible else "nothing can show"
            yield self._failure(node_of(expected, "silence"), said, possible[0] if possible else "")

    def _propensity(self, name: str) -> float:
        return next((c.propensity or 0.0 for c in self.chosen.candidates if c.action == name), 0.0)

    def _gate(self, name: str) -> str:
        return next((c.gate for c in self.chosen.candidates if c.action == name), "")

    def _likeliest(self) -> str:
        shares = {c.action: c.propensity or 0.0 for c in self.chosen.candidates}
        best = max(shares, key=lambda name: shares[name], default=SILENCE)
        return best if shares and shares[best] > self.chosen.silence_propensity else SILENCE

    def _shown(self, name: str) -> str:
        share = self.chosen.silence_propensity if name == SILENCE else self._propensity(name)
        return f"{name} ({share:.3f})"

    def _why(self, name: str) -> str:
        """The gate that is closed with what the rule's names were, or what the action was worth."""
        try:
            told = receipts.why(receipts.decode(receipts.encode(self.decision)), name)["placements"][0]
        except LookupError:
            return "it does not stand here"
        if told.get("gate"):
            known = ", ".join(f"{key} {_number(value)}" for key, value in told.get("values", {}).items())
            return f"{told['because']} [{known}]" if known else str(told["because"])
        if told.get("net") is None:
            return "another fallback shows before it"
        return f"its gates are open, its net value is {told['net']:.4f}, its propensity {told['propensity']:.3f}"

    def _failure(self, node: Node, message: str, name: str) -> Failure:
        at = self.runner.tests.problem(node, "")
        action = self.runner.policy.action(name)
        where = f"{self.runner.policy.filename}:{action.line}" if action is not None else ""
        return Failure(self.case, self.chosen.placement, str(at).removesuffix(": "), message, where)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
