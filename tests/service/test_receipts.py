"""Receipts on their way to the store."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import pytest

from service import receipts
from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.receipts import ReceiptWriter
from service.stream import DecisionEntry


def entry(name: str, size: int = 10) -> DecisionEntry:
    return DecisionEntry("s", name, "v", 1, False, "b", "p", "evaluation", True, (), b"x" * size)


def each(write: Callable[[DecisionEntry], Awaitable[None]]) -> receipts.Write:
    """A writer of several from a writer of one."""

    async def write_all(entries: Sequence[DecisionEntry]) -> list[BaseException | None]:
        return list(await asyncio.gather(*map(write, entries), return_exceptions=True))

    return write_all


def metric(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name) or 0.0


def run(body: Callable[[Metrics], Awaitable[None]]) -> None:
    asyncio.run(body(Metrics()))  # type: ignore[arg-type]


def test_receipts_are_written_in_their_order_again_until_the_store_takes_them() -> None:
    written: list[str] = []
    tries = count()

    async def write(one: DecisionEntry) -> None:
        if next(tries) < 7:
            raise StoreUnavailable("gone")
        written.append(one.decision_id)

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(each(write), metrics)
        writer.start()
        for name in "abcde":
            assert await writer.put(entry(name), 0)
        assert await writer.close() == 0
        assert metric(metrics, "tact_receipts_lost_total") == 0

    run(body)
    assert sorted(written) == list("abcde")


def test_receipts_that_come_one_after_the_other_share_a_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "GATHER_S", 1.0)
    trips: list[list[str]] = []

    async def write(entries: Sequence[DecisionEntry]) -> list[BaseException | None]:
        trips.append([one.decision_id for one in entries])
        return [None] * len(entries)

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(write, metrics)
        writer.start()
        for name in "abc":
            assert await writer.put(entry(name), 0)
            await asyncio.sleep(0.001)  # the writer has seen it
        assert trips == []
        assert await writer.close() == 0

    run(body)
    assert trips == [["a", "b", "c"]]


def test_a_full_batch_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "GATHER_S", 60.0)
    trips: list[int] = []

    async def write(entries: Sequence[DecisionEntry]) -> list[BaseException | None]:
        trips.append(len(entries))
        return [None] * len(entries)

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(write, metrics)
        for number in range(2 * receipts.BATCH):
            assert await writer.put(entry(str(number)), 0)
        writer.start()
        assert await writer.close() == 0

    run(body)
    assert trips == [receipts.BATCH, receipts.BATCH]


def test_a_receipt_that_waits_can_be_found() -> None:
    async def write(one: DecisionEntry) -> None:
        raise StoreUnavailable("gone")

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(each(write), metrics)
        await writer.put(entry("a"), 0)
        assert writer.find("s", "a") == b"x" * 10
        assert writer.find("other", "a") is None
        assert writer.find("s", "b") is None

    run(body)


def test_a_full_queue_makes_decisions_wait_and_only_then_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "SOFT_BYTES", 100)
    monkeypatch.setattr(receipts, "HARD_BYTES", 200)
    gate = asyncio.Event()

    async def write(one: DecisionEntry) -> None:
        await gate.wait()

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(each(write), metrics)
        writer.start()
        assert await writer.put(entry("a", 100), 0)
        assert await writer.put(entry("b", 100), 0.01)  # waited for room in vain, and still there is some
        assert metric(metrics, "tact_receipts_delayed_total") == 1
        assert not await writer.put(entry("c", 100), 0.01)
        assert metric(metrics, "tact_receipts_lost_total") == 1
        asyncio.get_running_loop().call_later(0.05, gate.set)
        assert await writer.put(entry("d", 100), 5.0)  # room came in time
        assert await writer.close() == 0

    run(body)


def test_what_the_store_never_took_is_counted_at_the_end() -> None:
    async def write(one: DecisionEntry) -> None:
        raise StoreUnavailable("gone")

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(each(write), metrics)
        writer.start()
        for name in "abc":
            await writer.put(entry(name), 0)
        assert await writer.close(grace_s=0.2) == 3
        assert metric(metrics, "tact_receipts_lost_total") == 3

    run(body)


def test_a_receipt_that_cannot_be_written_at_all_does_not_hold_up_the_others() -> None:
    written: list[str] = []

    async def write(one: DecisionEntry) -> None:
        if one.decision_id == "bad":
            raise ValueError("no such receipt")
        written.append(one.decision_id)

    async def body(metrics: Metrics) -> None:
        writer = ReceiptWriter(each(write), metrics)
        writer.start()
        for name in ("a", "bad", "b"):
            await writer.put(entry(name), 0)
        assert await writer.close() == 0
        assert metric(metrics, "tact_receipts_lost_total") == 1

    run(body)
    assert sorted(written) == ["a", "b"]
