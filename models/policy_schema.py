"""POLICY: the one table of what a policy file can say; the validator, the JSON Schema and the documentation read it."""

import json
from typing import Any, Final

from features.events import KINDS as EVENT_KINDS
from models.action_kinds import ACTION_KINDS
from models.policy_fields import (
    Cel,
    Choice,
    Either,
    Field,
    Flag,
    Hours,
    ListOf,
    MapOf,
    Moment,
    Number,
    OneOrMore,
    Table,
    Text,
    Timezone,
)
from models.policy_terms import CREDITS, EXCLUSIONS, MAX_LIFT, PURPOSES, SOURCES, WEEKDAYS, WINDOWS
from models.stage import STAGES

LOCALE: Final = "[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?"
_ID = Text(64, "[a-z0-9][a-z0-9_.-]*", "an id: small letters, digits, '_', '-' and '.'")
_LINK = Text(2000, r"(https?://|/(?!/))\S*", "an address that begins with https://, http:// or /")
_MONEY = Number(0, 1e6)
_COUNT = Number(1, 1000, whole=True)
_SECONDS = Number(0, 366 * 86_400, whole=True)
_SHARE = Number(0, 1)
_PURPOSE = Choice(PURPOSES)

CONTENT: Final = Table(
    (
        Field("title", Text(200), "The heading."),
        Field("text", Text(), "The sentence or two."),
        Field("cta", Text(80), "The words on the button or link."),
        Field("url", _LINK, "Where the button or link leads."),
        Field("image", _LINK, "A picture."),
        Field("because", Text(200), "On recommended products: why; `{title}` stands for the product looked at."),
    ),
    more=Text(),
)
CAPS: Final = Table(
    (
        Field("per_session", _COUNT, "Times in one session."),
        Field("per_day", _COUNT, "Times in 24 hours."),
        Field("per_30_days", _COUNT, "Times in 30 days."),
    )
)
SCHEDULE: Final = Table(
    (
        Field("from", Moment(), "The first moment."),
        Field("to", Moment(), "The moment it is over."),
        Field("weekdays", ListOf(Choice(WEEKDAYS), 1), "On these days only."),
        Field("hours", Hours(), "In these hours of the day only."),
        Field("timezone", Timezone(), "Whose days and hours; the shop's if left out."),
    )
)
CLAIM: Final = Table(
    (
        Field("text", Text(300), "What is claimed.", required=True),
        Field("evidence", Text(500), "What proves it: an address, a document's id, or catalog:FACT.", required=True),
        Field("expires", Moment(), "When the proof stops holding."),
    )
)
_LEVER = Number(0, MAX_LIFT)
LEVERS: Final = Table(
    (
        Field("margin", _LEVER, "On margin as a share of the price (0)."),
        Field("overstock", _LEVER, "On stock above the median of the products beside it (0)."),
    )
)
PRICE_BAND: Final = Table(
    (
        Field("from", Number(0, 1), "Times that price at least (0)."),
        Field("to", Number(1, 100), "Times that price at most; no limit if left out."),
    )
)
RECOMMEND: Final = Table(
    (
        Field("source", OneOrMore(Choice(SOURCES)), "Where the products come from, in turn (similar)."),
        Field("count", Number(1, 24, whole=True), "How many at most (4)."),
        Field("exclude", ListOf(Choice(EXCLUSIONS)), "Products never shown (all but viewed)."),
        Field("returns", Flag(), "Also what the visitor looked at before (false)."),
        Field("fill", Flag(), "Popular products where `similar` and `next` find too few (true)."),
        Field("max_per_category", Number(1, 24, whole=True), "Products of one category at most; no limit if left out."),
        Field("near_duplicates", Flag(), "Sizes and variants of one product beside each other (false)."),
        Field("levers", LEVERS, "The shop's own weights on which products come first."),
        Field("price_band", PRICE_BAND, "Only prices near that of the page's product, else of the last one looked at."),
    )
)
_WEIGHT = Number(0, 1e6)
REWARD: Final = Table(
    (
        Field("order", _WEIGHT, "Of each order (0)."),
        Field("revenue", _WEIGHT, "Of each unit of money ordered (0)."),
        Field("margin", _WEIGHT, "Of each unit of margin ordered, as far as the catalog knows it (0)."),
        Field("cart", _WEIGHT, "Of each product put into the cart (0)."),
        Field("click", _WEIGHT, "Of a click on the message (0)."),
        Field("dismissal", _WEIGHT, "Taken off for a dismissal of the message (0)."),
    )
)
ATTRIBUTION: Final = Table(
    (
        Field("window", Choice(tuple(WINDOWS)), "How long after a decision an outcome counts (session)."),
        Field("credit", Choice(CREDITS), "Which of several messages it counts for (all)."),
    )
)
_ARM = Number(0, 0.1)
ARMS: Final = Table(
    (
        Field("random", _ARM, "Any eligible action or silence, each as likely (0.01)."),
        Field("propensity_only", _ARM, "The likeliest to work, whatever its worth and cost (0.01)."),
        Field("no_levers", _ARM, "As the others, without the levers (0.01)."),
        Field("rules_only", _ARM, "The first eligible in the order of the file (0.01)."),
    )
)
REST: Final = Table(
    (
        Field("ignored", _COUNT, "In so many sessions shown, and neither clicked nor dismissed.", required=True),
        Field("within_days", Number(1, 366), "Within so many days.", required=True),
        Field("days", Number(1, 366), "Then it stays away for so many days.", required=True),
    )
)
_MEANS = Table(tuple(Field(stage, _SHARE, f"In {stage}.") for stage in STAGES))
PRIOR: Final = Table(
    (
        Field("mean", Either(_SHARE, _MEANS), "Incremental probability: one, or by stage.", required=True),
        Field("strength", Number(2, 1e6), "Its weight, in visitors (200)."),
    )
)
ACTION: Final = Table(
    (
        Field("id", _ID, "The action's name in decisions, metrics and the lake.", required=True),
        Field("kind", Choice(ACTION_KINDS), "What sort of message it is.", required=True),
        Field("placements", ListOf(_ID, 1), "Where it may stand.", required=True),
        Field("content", MapOf(CONTENT, LOCALE), "What the visitor reads, for each locale.", required=True),
        Field("value", _MONEY, "What it is worth when it works.", required=True),
        Field("cost", _MONEY, "What the interruption costs; by kind if left out."),
        Field("lever", Number(0, 10), "The shop's own weight on its value (1)."),
        Field("stages", ListOf(Choice(STAGES), 1), "Only while this stage is the one named; all if left out."),
        Field("when", Cel(), "A rule in CEL that must hold."),
        Field("caps", CAPS, "How often one visitor may see it."),
        Field("cooldown_after_dismissal_s", _SECONDS, "How long it stays away after a no; by kind if left out."),
        Field("schedule", SCHEDULE, "When it may be shown."),
        Field("consent", Choice(("none", *PURPOSES)), "The purpose the visitor must have allowed (none)."),
        Field("claims", ListOf(CLAIM), "What the text asserts, each with its evidence."),
        Field("prior", PRIOR, "What is believed of its effect before there is data; by kind if left out."),
        Field(
            "show_after_s",
            Either(Number(0, 600), Choice(("auto",))),
            "Seconds the page waits before it shows, or `auto`.",
        ),
        Field("ttl_s", Number(1, 86_400, whole=True), "Seconds the answer stands (1800)."),
        Field("reason", Either(Text(300), MapOf(Text(300), LOCALE)), "Why the visitor sees it, in plain words."),
        Field("rest", REST, "How long it stays away after being ignored."),
        Field("apprentice", Flag(), "Decided and logged, but not shown (false)."),
        Field("fallback", Flag(), "Safe when nothing is known of the visitor (false)."),
        Field("recommend", RECOMMEND, "Which products a recommend action shows."),
    )
)
PLACEMENT: Final = Table(
    (
        Field("id", _ID, "The placement's name in requests.", required=True),
        Field("kinds", ListOf(Choice(ACTION_KINDS), 1), "The kinds of action that may stand there.", required=True),
        Field("max_items", Number(1, 24, whole=True), "Products at most."),
        Field("max_chars", Number(1, 2000, whole=True), "Characters of text at most."),
        Field("description", Text(300), "Where on which page."),
    )
)
POLICY: Final = Table(
    (
        Field("shop", _ID, "The shop's id.", required=True),
        Field("locales", ListOf(Text(12, LOCALE, "a locale such as en or nl-BE"), 1), "Default first.", required=True),
        Field("timezone", Timezone(), "The shop's time zone (UTC)."),
        Field("currency", Text(3, "[A-Z]{3}", "a currency such as EUR"), "Of every value and cost (EUR)."),
        Field("placements", ListOf(PLACEMENT, 1), "In the order they are filled.", required=True),
        Field("actions", ListOf(ACTION, 1), "In the order that settles ties.", required=True),
        Field("session_budget", Table((CAPS.fields[0], CAPS.fields[1])), "Messages in all, of every action."),
        Field("holdout", Number(0, 0.5), "Share of visitors who never see anything (0.05)."),
        Field("arms", ARMS, "Shares of visitors served otherwise, to compare with."),
        Field("exploration_floor", Number(0, 0.1), "Least chance of every eligible action (0.01)."),
        Field(
            "consent",
            Table((Field("assumed", ListOf(_PURPOSE), "Purposes granted where a request says nothing."),)),
            "Consent; nothing is assumed if left out.",
        ),
        Field(
            "custom_events",
            ListOf(Text(40, "[a-z][a-z0-9_]*", "an event name")),
            f"Names of the shop's own events, beside the {len(EVENT_KINDS) - 1} known ones.",
        ),
        Field("reward", REWARD, "What is worth how much, in money; an order the action's value if left out."),
        Field("attribution", ATTRIBUTION, "What of a visitor's later doings counts for a decision."),
        Field("rest", REST, "The same for every action that interrupts and does not say itself."),
        Field("apprentice", Flag(), "Every action is decided and logged, but not shown (false)."),
        Field("dismissal_weight", Number(0, 100), "How many shown messages a dismissal weighs in the cost (2)."),
        Field("half_life_days", Number(0.1, 3650), "After which what was learned counts half (30)."),
    )
)


def sections() -> tuple[tuple[str, Table], ...]:
    """The tables of a policy file under the headings of docs/policy.md."""
    return (
        ("The file", POLICY),
        ("A placement", PLACEMENT),
        ("An action", ACTION),
        ("Content", CONTENT),
        ("Caps", CAPS),
        ("Schedule", SCHEDULE),
        ("A claim", CLAIM),
        ("Rest", REST),
        ("Reward", REWARD),
        ("Attribution", ATTRIBUTION),
        ("Arms", ARMS),
        ("Recommend", RECOMMEND),
        ("Levers", LEVERS),
        ("Price band", PRICE_BAND),
        ("Prior", PRIOR),
    )


def json_schema() -> dict[str, Any]:
    """The policy file's JSON Schema (draft 2020-12), for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tact policy",
        "description": "What a shop may say, where, when, to whom and at what worth.",
        **POLICY.json(),
    }


def json_schema_text() -> str:
    """The same as the text of docs/policy.schema.json."""
    return json.dumps(json_schema(), indent=2) + "\n"
