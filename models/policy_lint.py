"""Lints: what a valid policy says that it hardly means, or should not say. Each has a code that stays.

`lint` is pure: the same text at the same moment gives the same findings. LINTS is the list, as docs/policy.md has it.
"""

from dataclasses import dataclass
from typing import Final, Literal

from models import lint_learning, lint_reach, lint_texts
from models.lint_finding import Check, Linted
from models.lint_words import LANGUAGES
from models.policy_file import Problem, parse
from models.policy_terms import Policy

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Lint:
    """One lint. meaning: when it fires, as the documentation has it."""

    code: str
    severity: Severity
    meaning: str
    check: Check


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A lint that fired: where, which, and what to say."""

    problem: Problem
    code: str
    severity: Severity

    def __str__(self) -> str:
        at = self.problem
        return str(Problem(at.file, at.line, at.column, f"{self.code} {at.message}"))


LINTS: Final = (
    Lint("L101", "error", "A rule can never hold, whatever the visitor does.", lint_reach.rule_never_holds),
    Lint("L102", "error", "An action's stages exclude its rule.", lint_reach.stages_exclude_rule),
    Lint("L103", "error", "An action's claims or schedule exclude its rule.", lint_reach.parts_exclude_rule),
    Lint("L104", "warning", "A schedule is over.", lint_reach.schedule_is_over),
    Lint("L105", "error", "A schedule's days and hours never come between its dates.", lint_reach.schedule_never_opens),
    Lint("L106", "warning", "By its prior an action never beats its cost.", lint_reach.prior_below_cost),
    Lint("L107", "warning", "At a placement another action wins in every draw.", lint_reach.another_always_wins),
    Lint("L108", "warning", "A fallback stands behind one that always shows.", lint_reach.fallback_never_shows),
    Lint("L109", "warning", "A placement has no action.", lint_reach.placement_is_empty),
    Lint("L110", "warning", "A cap never counts, for a longer time's cap is lower.", lint_reach.cap_never_bites),
    Lint("L111", "warning", "A claim's proof has expired; the action is blocked.", lint_reach.proof_has_expired),
    Lint("L112", "warning", "A claim's proof expires within 30 days.", lint_reach.proof_expires_soon),
    Lint("L113", "error", "Two actions claim different numbers on one proof.", lint_reach.claims_contradict),
    Lint("L114", "warning", "A rule asks for a persona that is not in use.", lint_reach.persona_is_unknown),
    Lint("L201", "warning", "A text asserts something and no claim proves it.", lint_texts.claim_is_missing),
    Lint("L202", "warning", "The reason is missing in a language.", lint_texts.reason_is_missing),
    Lint("L203", "warning", "A field is filled in one locale, not in another.", lint_texts.field_missing_in_locale),
    Lint("L204", "warning", "The same words stand in two languages.", lint_texts.same_in_two_languages),
    Lint("L205", "warning", "Two actions have the same title and text.", lint_texts.same_as_another),
    Lint("L206", "warning", "Title, text and cta do not fit a placement.", lint_texts.longer_than_its_place),
    Lint("L207", "warning", "What interrupts has no cta.", lint_texts.interrupts_without_offer),
    Lint("L301", "error", "A countdown without an end.", lint_texts.countdown_without_end),
    Lint("L302", "error", "Scarcity that the stock does not prove.", lint_texts.scarcity_without_stock),
    Lint("L303", "error", "A no that shames who says it.", lint_texts.no_that_shames),
    Lint("L401", "warning", "What interrupts costs 0.", lint_learning.interrupts_for_nothing),
    Lint("L402", "warning", "What interrupts has no cap.", lint_learning.interrupts_without_cap),
    Lint("L403", "warning", "What interrupts does not rest after a no.", lint_learning.no_rest_after_a_no),
    Lint("L404", "warning", "The exploration floor is 0.", lint_learning.nothing_is_explored),
    Lint("L405", "warning", "The holdout is 0.", lint_learning.nobody_is_held_out),
    Lint("L406", "warning", "No part of the reward can be earned.", lint_learning.nothing_is_worth_anything),
)
CODES: Final = tuple(each.code for each in LINTS)


def lint(
    policy: Policy, text: str, now_ms: int, allow: frozenset[str] = frozenset(), personas: tuple[str, ...] = ()
) -> tuple[Finding, ...]:
    """What deserves a second look, in the file's order. text: of the file. now_ms: Unix time. allow: codes left out.

    personas: the names of those in use.
    """
    linted = Linted(policy, parse(text, policy.filename)[0], now_ms, personas)
    return tuple(
        sorted(
            Finding(Problem(policy.filename, node.line, node.column, message), each.code, each.severity)
            for each in LINTS
            if each.code not in allow
            for node, message in each.check(linted)
        )
    )


def unread_languages(policy: Policy) -> tuple[str, ...]:
    """Languages of the shop whose texts no list of words covers."""
    found = {locale.partition("-")[0] for locale in policy.locales}
    return tuple(sorted(found - set(LANGUAGES)))
