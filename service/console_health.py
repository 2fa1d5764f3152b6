"""Whether all is well: figures of now, the stream's lag, Redis, and alerts in words. Levels as in docs/metrics.md.

Alerts look at the last minutes (samples of /metrics, oldest first), so one bad moment of last week raises none.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from service import stream
from service.errors import StoreUnavailable
from service.figures import quantile
from service.store import Store, ask

GROUP: Final = "recorder"
"""Of the stream's readers; service/recorder.py brings what a web process does not need."""
WINDOW_MS: Final = 300_000
DEGRADED: Final = 0.01
SLOW_S: Final = 0.05
A_HUNDRED: Final = 100
"""Decisions of which the slowest one in a hundred is told: of fewer it is just the slowest."""
LAG_S: Final = 60.0
SNAPSHOT_S: Final = 300.0
FULL: Final = 0.8
"""Of maxmemory."""


@dataclass(frozen=True, slots=True)
class Alert:
    """level: bad or warn. title says what; action what to do."""

    level: str
    title: str
    action: str


async def store_facts(store: Store) -> dict[str, Any]:
    """Redis and the event stream as they are; {ok: False, detail} where it does not answer."""
    began = time.perf_counter()
    try:
        await store.ping()
        ping_ms = 1000 * (time.perf_counter() - began)
        about = await ask(store.client.info())
        return {"ok": True, "ping_ms": ping_ms, **_memory(about), "stream": await _stream(store)}
    except StoreUnavailable as error:
        return {"ok": False, "detail": str(error)}


def _memory(about: Mapping[str, Any]) -> dict[str, Any]:
    """Of one server, or of every node of a cluster together."""
    nodes = list(about.values()) if all(isinstance(value, dict) for value in about.values()) else [about]
    return {
        "version": nodes[0].get("valkey_version") or nodes[0].get("redis_version"),
        "used_bytes": sum(node.get("used_memory", 0) for node in nodes),
        "most_bytes": sum(node.get("maxmemory", 0) for node in nodes),
        "clients": sum(node.get("connected_clients", 0) for node in nodes),
        "disk_ok": all(node.get("aof_last_write_status", "ok") == "ok" for node in nodes),
    }


async def _stream(store: Store) -> dict[str, Any]:
    """entries, unrecorded (of them not yet in the lake; None where the server cannot tell) and lag_s."""
    entries, waiting, lag_ms = 0, 0, 0
    recorded = True
    for length, groups, latest in await _partitions(store):
        entries += length
        group = next((one for one in groups if _text(one["name"]) == GROUP), None)
        if group is None:
            recorded = False
            continue
        behind = (group.get("lag") or 0) + group["pending"]
        waiting += behind
        if behind:
            lag_ms = max(lag_ms, _ms(latest[0][0]) - _ms(group["last-delivered-id"]))
    return {"entries": entries, "unrecorded": waiting, "lag_s": lag_ms / 1000, "recorder": recorded}


async def _partitions(store: Store) -> list[tuple[int, Any, Any]]:
    """(length, groups, latest entry) of each partition with something in it; one trip. Raises StoreUnavailable."""
    async with store.client.pipeline(transaction=False) as pipe:
        for key in stream.log_keys(store.partitions):
            pipe.xlen(key)
            pipe.xinfo_groups(key)  # an error where there is no such key yet
            pipe.xrevrange(key, count=1)
        replies = await ask(pipe.execute(raise_on_error=False))
    each = [replies[at : at + 3] for at in range(0, len(replies), 3)]
    found = [one for one in each if one[0] != 0 and one[2]]
    if bad := next((reply for one in found for reply in one if isinstance(reply, Exception)), None):
        raise StoreUnavailable(f"Redis: {type(bad).__name__}: {bad}")
    return found


def _ms(entry_id: bytes | str) -> int:
    return int(_text(entry_id).partition("-")[0])


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def alerts(
    samples: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], missing: Sequence[str], age_s: float | None
) -> list[dict[str, str]]:
    """What is wrong now, the worst first; [] where all is well. missing: as /readyz tells. age_s: of the learner's
    snapshot."""
    found = [Alert("bad", f"Not ready: {what}", "docs/api.md, readiness") for what in missing]
    if not facts["ok"]:
        found.append(Alert("bad", "Redis does not answer: decisions are degraded", "look at the server, and REDIS_URL"))
    else:
        found += _of_store(facts)
    if recent := _window(samples):
        found += _of_traffic(*recent, age_s)
    return [asdict(one) for one in sorted(found, key=lambda one: one.level)]


def _of_store(facts: Mapping[str, Any]) -> list[Alert]:
    found = []
    log = facts["stream"]
    if facts["most_bytes"] and facts["used_bytes"] > FULL * facts["most_bytes"]:
        share = facts["used_bytes"] / facts["most_bytes"]
        found.append(Alert("warn", f"Redis is {share:.0%} full", "give it more memory, or shorten TACT_TAIL_TTL_DAYS"))
    if not facts["disk_ok"]:
        found.append(Alert("bad", "Redis cannot write its file", "look at the disk of the server"))
    if not log["recorder"]:
        found.append(Alert("bad", "Nothing records the event stream", "start the recorder"))
    if log["lag_s"] > LAG_S:
        found.append(
            Alert("warn", f"The recorder is {log['lag_s']:.0f} s behind", "its log, and the disk of TACT_LAKE")
        )
    return found


def _of_traffic(before: Mapping[str, Any], after: Mapping[str, Any], age_s: float | None) -> list[Alert]:
    grew = {name: after["sums"][name] - before["sums"].get(name, 0) for name in after["sums"]}
    decided = after["buckets"]["tact_decision_seconds"].get("+Inf", 0) - before["buckets"]["tact_decision_seconds"].get(
        "+Inf", 0
    )
    found = []
    if decided and grew["tact_degraded_total"] / decided > DEGRADED:
        share = grew["tact_degraded_total"] / decided
        found.append(
            Alert("bad", f"{share:.1%} of decisions are degraded", "the reasons are below; docs/api.md, degraded")
        )
    slow = quantile(before["buckets"]["tact_decision_seconds"], after["buckets"]["tact_decision_seconds"], 0.99)
    if slow is not None and slow > SLOW_S and decided >= A_HUNDRED:
        found.append(
            Alert(
                "warn",
                f"One decision in a hundred takes over {1000 * slow:.0f} ms",
                "look at the processor, Redis and TACT_DEADLINE_MS",
            )
        )
    if grew["tact_receipts_lost_total"]:
        found.append(
            Alert("bad", f"{grew['tact_receipts_lost_total']:.0f} receipts were lost", "Redis was gone too long")
        )
    if after["by"]["tact_events_not_stored_total"].get("store", 0) > before["by"]["tact_events_not_stored_total"].get(
        "store", 0
    ):
        found.append(Alert("bad", "Events of degraded decisions were not stored", "look at Redis"))
    if grew["tact_rule_errors_total"]:
        found.append(Alert("warn", "A rule of the policy fails", "Decisions tells which: gate rule_error"))
    if grew["tact_reload_failures_total"]:
        found.append(Alert("warn", "A new version was refused", "what and why stands below, and at /readyz"))
    if age_s is not None and age_s > SNAPSHOT_S and grew["tact_events_total"]:
        found.append(Alert("warn", f"The learner's snapshot is {age_s / 60:.0f} min old", "look at the learner's log"))
    return found


def _window(samples: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The first and the last sample of the last minutes; counters that began anew in between give none."""
    recent = [one for one in samples if one["at_ms"] >= samples[-1]["at_ms"] - WINDOW_MS]
    if len(recent) < 2 or recent[0]["sums"]["tact_events_total"] > recent[-1]["sums"]["tact_events_total"]:
        return None
    return recent[0], recent[-1]
