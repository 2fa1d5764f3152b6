"""Data checks before training: what a shop's log would teach wrongly, each with rows, an example and what to do.

    OK        nothing to do, or too little of it to matter
    WARNING   models learn, but of this they learn less or something else
    ERROR     what is learned would be wrong: repair the log or leave the part out

Docs: docs/check-data.md, whose table is that of CHECKS.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from training import checks_time, checks_traffic, checks_values, checks_visitors
from training.check_events import Events
from training.check_finding import ERROR, OK, WARNING, Finding
from training.moments import iso

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. looks_at: what it reads, for people."""

    name: str
    looks_at: str
    run: Callable[[Events], Finding]


CHECKS: Final = (
    Check("too_little", "events, sessions and visitors in the window", checks_visitors.too_little),
    Check(
        "missing_purchases", "purchases beside carts, and a purchase's pause before the end", checks_values.purchases
    ),
    Check("bare_purchases", "purchases without a product or without price and value", checks_values.bare_purchases),
    Check("lone_purchases", "purchases of visitors who never did anything else", checks_visitors.lone_purchases),
    Check("clock_jumps", "events far before or after all others, or in the future", checks_time.clock_jumps),
    Check("coarse_clock", "times cut to minutes or days", checks_time.coarse_clock),
    Check("same_moment", "many events of many visitors at one moment", checks_time.same_moment),
    Check("silences", "pauses of the whole shop where that hour is usually busy", checks_time.silences),
    Check("thin_edges", "a beginning or an end with under half the usual sessions", checks_time.thin_edges),
    Check("late_events", "arrival long after, or before, the event's own time", checks_time.late_events),
    Check(
        "kind_stopped", "a kind of event that began, paused or stopped within the window", checks_traffic.kind_stopped
    ),
    Check("rate_shift", "a kind's share of all events that doubles or halves from a day on", checks_traffic.rate_shift),
    Check("buy_rate_days", "days whose share of buying sessions is far from the others'", checks_traffic.buy_rate_days),
    Check("bots", "visitors faster, steadier or busier than people", checks_visitors.bots),
    Check("one_visitor", "one visitor id that holds much of the log", checks_visitors.one_visitor),
    Check(
        "repeated_sessions",
        "the same events with the same pauses under two visitors",
        checks_visitors.repeated_sessions,
    ),
    Check("repeated_events", "the same event twice within a second under two ids", checks_visitors.repeated_events),
    Check("never_return", "visitors with a second session", checks_visitors.never_return),
    Check("one_event_sessions", "sessions of a single event", checks_visitors.one_event_sessions),
    Check("missing_items", "product events without an item id", checks_values.missing_items),
    Check(
        "item_spellings",
        "item ids that differ by case, blanks, leading zeros or a trailing .0",
        checks_values.item_spellings,
    ),
    Check("missing_categories", "product views without a category", checks_values.missing_categories),
    Check("odd_prices", "prices and values of zero or less", checks_values.odd_prices),
    Check("price_units", "products whose prices differ twentyfold: cents, currencies", checks_values.price_units),
)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of a log, in the order of CHECKS. since, until: of its events, "" without any."""

    shop: str
    events: int
    since: str
    until: str
    findings: tuple[Finding, ...]

    def at(self, level: str) -> tuple[Finding, ...]:
        """The findings of a level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    @property
    def summary(self) -> str:
        """One line: how many checks found what."""
        parts = [_named("error", self.at(ERROR)), _named("warning", self.at(WARNING))]
        said = "; ".join(part for part in parts if part) or "nothing to warn of"
        return f"data checks: {said} ({len(self.findings)} checks)"

    def as_dict(self) -> dict[str, Any]:
        """As --json writes it."""
        counts = {"errors": len(self.at(ERROR)), "warnings": len(self.at(WARNING))}
        about = {"shop": self.shop, "events": self.events, "since": self.since, "until": self.until}
        return {**about, **counts, "checks": [asdict(finding) for finding in self.findings]}

    def brief(self) -> list[Mapping[str, Any]]:
        """For a manifest: what is to be known of the log, without examples."""
        kept = ("name", "level", "rows", "share", "message")
        found = [asdict(finding) for finding in self.findings if finding.level != OK]
        return [{key: one[key] for key in kept} for one in found]


def check(events: Events, progress: Progress) -> Report:
    """Runs every check. Without events only the first has something to say."""
    findings = []
    for at, one in enumerate(CHECKS):
        progress("data checks", at / len(CHECKS))
        findings.append(_with_table(one, one.run(events) if len(events) or not at else Finding.ok("no events")))
    progress("data checks", 1.0)
    reach = (iso(int(events.ts_ms[0])), iso(int(events.ts_ms[-1]))) if len(events) else ("", "")
    return Report(events.shop, int(events.first.sum()), *reach, tuple(findings))


def _with_table(one: Check, finding: Finding) -> Finding:
    return replace(finding, name=one.name, looks_at=one.looks_at)


def _named(word: str, findings: tuple[Finding, ...]) -> str:
    if not findings:
        return ""
    return f"{len(findings)} {word}{'s' if len(findings) > 1 else ''}: {', '.join(one.name for one in findings)}"
