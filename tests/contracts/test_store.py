"""What the service needs of its store: one suite, on the embedded Valkey, on Redis and on a cluster of Redis."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from redis.asyncio.cluster import RedisCluster

from features.events import CODE, Row
from features.record import hash64, pack, unpack
from features.tail import tail_of
from service import lanes, stream
from service import store as store_module
from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.settings import Settings
from service.store import MAX_DISMISSED, TAIL_BYTES, TRIM_ABOVE, Store
from tests.contracts.cluster import cluster

SHOP = "acme"
T = TypeVar("T")
Do = Callable[[Callable[[Store], Awaitable[Any]]], Any]


@pytest.fixture(scope="session", params=["valkey", "redis", "cluster"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of each kind of store in turn."""
    if request.param == "valkey":
        yield request.getfixturevalue("redis_url")
        return
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on PATH")
    if request.param == "cluster":
        with cluster(tmp_path_factory.mktemp("cluster")) as address:
            yield address
        return
    from pathlib import Path

    from service.embedded import EmbeddedValkey

    binary = Path(str(shutil.which("redis-server")))
    with EmbeddedValkey(tmp_path_factory.mktemp("redis"), binary=binary, aof=False) as server:
        yield server.url


@pytest.fixture
def do(url: str, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Run a coroutine with a store of its own, however busy the machine is."""
    monkeypatch.setattr(lanes, "CONNECT_TIMEOUT_S", 20.0)
    monkeypatch.setattr(store_module, "ROUND_TRIP_S", 20.0)

    def run(body: Callable[[Store], Awaitable[T]]) -> T:
        async def inside() -> T:
            store = Store.open(url, Settings(tail_ttl_days=1), Metrics())
            try:
                return await body(store)
            finally:
                await store.close()

        return asyncio.run(inside())

    return run


def row(visitor_id: str, at: int, event: str = "view_item", **fields: Any) -> Row:
    return Row(SHOP, visitor_id, f"e{at}", at, event, received_ms=at, **fields)


def who() -> str:
    return f"v-{uuid4().hex}"


def entry(visitor_id: str, decision_id: str, receipt: bytes = b"{}") -> stream.DecisionEntry:
    return stream.DecisionEntry(SHOP, decision_id, visitor_id, 5, False, "b", "p", "evaluation", True, (), receipt)


def new_id(store: Store, visitor_id: str) -> str:
    return stream.decision_id(5, uuid4().bytes[:10], store.partition(visitor_id))


async def entries(store: Store, visitor_id: str) -> list[stream.Entry]:
    """What the stream of the visitor's partition holds of the visitor."""
    found = await store.client.xrange(stream.log_key(store.partition(visitor_id)))
    decoded = [stream.decode(fields) for _, fields in found]
    return [e for e in decoded if visitor_id in (getattr(e, "visitor_id", ""), *(r.visitor_id for r in _rows(e)))]


def _rows(entry: stream.Entry) -> tuple[Row, ...]:
    return entry.rows if isinstance(entry, stream.EventEntry) else ()


def test_a_new_visitor_has_an_empty_tail(do: Do) -> None:
    seen = do(lambda store: store.append_and_read(SHOP, who(), []))
    assert (seen.tail, seen.attributes) == (b"", {})


def test_what_is_appended_is_read_back_in_the_same_trip(do: Do) -> None:
    visitor = who()
    rows = [row(visitor, 1, item_id="a"), row(visitor, 2, item_id="b", price=2.5)]
    seen = do(lambda store: store.append_and_read(SHOP, visitor, [[rows[0]], [rows[1]]]))
    assert seen.tail == pack(rows).tobytes()


def test_an_event_is_in_the_tail_and_in_the_stream(do: Do) -> None:
    visitor = who()
    lines = [row(visitor, 1, "purchase", item_id="a"), row(visitor, 1, "purchase", item_id="b", line=1)]

    async def body(store: Store) -> tuple[bytes, list[stream.Entry]]:
        await store.append(SHOP, visitor, [lines])
        return (await store.append_and_read(SHOP, visitor, [])).tail, await entries(store, visitor)

    tail, (event,) = do(body)
    assert unpack(tail).size == 2
    assert str(_rows(event)) == str(tuple(lines))


def test_events_that_arrive_together_are_all_in_the_tail(do: Do) -> None:
    visitor, n = who(), 200

    async def body(store: Store) -> tuple[bytes, list[int], int]:
        appends = (store.append_and_read(SHOP, visitor, [[row(visitor, at)]]) for at in range(n))
        seen = await asyncio.gather(*appends)
        return (
            (await store.append_and_read(SHOP, visitor, [])).tail,
            [len(s.tail) for s in seen],
            len(await entries(store, visitor)),
        )

    tail, lengths, in_stream = do(body)
    assert sorted(unpack(tail)["ts_ms"].tolist()) == list(range(n))
    assert sorted(lengths) == [32 * (i + 1) for i in range(n)]  # each saw its own event and all before it, once
    assert in_stream == n


def test_visitors_that_arrive_together_do_not_mix(do: Do) -> None:
    people = [who() for _ in range(100)]

    async def body(store: Store) -> list[bytes]:
        appends = (store.append_and_read(SHOP, v, [[row(v, at)]]) for at, v in enumerate(people))
        return [seen.tail for seen in await asyncio.gather(*appends)]

    assert [unpack(tail)["ts_ms"].tolist() for tail in do(body)] == [[at] for at in range(100)]


def test_shops_do_not_see_each_other(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> bytes:
        await store.append(SHOP, visitor, [[row(visitor, 1)]])
        return (await store.append_and_read("other", visitor, [])).tail

    assert do(body) == b""


def test_at_most_a_tail_is_read(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> bytes:
        return (await store.append_and_read(SHOP, visitor, [[row(visitor, at)] for at in range(300)])).tail

    assert unpack(do(body))["ts_ms"].tolist() == list(range(44, 300))


def test_a_tail_twice_too_long_is_cut_and_keeps_its_time_to_live(do: Do) -> None:
    visitor = who()
    n = TRIM_ABOVE // 32 + 1

    async def body(store: Store) -> tuple[int, int, bytes]:
        await store.append(SHOP, visitor, [[row(visitor, at)] for at in range(n)])
        key = stream.tail_key(store.partition(visitor), SHOP, visitor)
        for _ in range(6000):
            if await store.client.strlen(key) <= TAIL_BYTES:
                break
            await asyncio.sleep(0.01)
        length, left = await store.client.strlen(key), await store.client.pttl(key)
        return length, left, (await store.append_and_read(SHOP, visitor, [])).tail

    length, left, tail = do(body)
    assert length == TAIL_BYTES
    assert 86_000_000 < left <= 86_400_000
    assert tail_of(tail)["ts_ms"].tolist() == list(range(n - 256, n))


def test_a_tail_fades(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> int:
        await store.append(SHOP, visitor, [[row(visitor, 1)]])
        left: int = await store.client.pttl(stream.tail_key(store.partition(visitor), SHOP, visitor))
        return left

    assert 86_000_000 < do(body) <= 86_400_000


def test_a_server_that_forgot_the_script_is_told_it_again(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[bytes, int]:
        await store.append(SHOP, visitor, [[row(visitor, 1)]])
        await store.client.script_flush()
        seen = await store.append_and_read(SHOP, visitor, [[row(visitor, 2)]])
        return seen.tail, len(await entries(store, visitor))

    tail, in_stream = do(body)
    assert (unpack(tail)["ts_ms"].tolist(), in_stream) == ([1, 2], 2)


def test_a_short_tail_has_no_slack(do: Do) -> None:
    """A string grown by APPEND alone takes twice as much room at times; so much is saved of each visitor's."""
    visitor, grown = who(), who()

    async def body(store: Store) -> tuple[int, int]:
        key, other = (stream.tail_key(store.partition(visitor), SHOP, v) for v in (visitor, grown))
        for at in range(8):
            await store.append(SHOP, visitor, [[row(visitor, at)]])
            await store.client.append(other, bytes(32))
        return await store.client.memory_usage(key), await store.client.memory_usage(other)

    fitted, with_slack = do(body)
    assert fitted <= with_slack - 48


def test_a_tail_of_any_length_is_as_appended(do: Do) -> None:
    """Also where the way of appending changes."""
    visitor = who()
    lengths = (1, 20, 10, 1, 1, 30, 1, 200)  # records; 32 of them are 1,024 bytes

    async def body(store: Store) -> list[bytes]:
        at, tails = 0, []
        for n in lengths:
            events = [[row(visitor, at + i)] for i in range(n)]
            at, seen = at + n, await store.append_and_read(SHOP, visitor, events)
            tails.append(seen.tail)
        return tails

    tails = do(body)
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    assert [unpack(tail)["ts_ms"].tolist() for tail in tails] == [list(range(max(0, n - 256), n)) for n in ends]


def test_a_tail_of_the_version_before_is_continued_and_that_version_could_go_on(do: Do) -> None:
    """Before, a tail was grown by APPEND and renewed by PEXPIRE: the same key, the same bytes."""
    visitor = who()
    rows = [row(visitor, at) for at in range(3)]

    async def body(store: Store) -> tuple[bytes, bytes]:
        key = stream.tail_key(store.partition(visitor), SHOP, visitor)
        await store.client.append(key, pack(rows[:1]).tobytes())
        seen = await store.append_and_read(SHOP, visitor, [rows[1:2]])
        await store.client.append(key, pack(rows[2:]).tobytes())
        return seen.tail, await store.client.getrange(key, -TAIL_BYTES, -1)

    assert do(body) == (pack(rows[:2]).tobytes(), pack(rows).tobytes())


def test_attributes_are_set_kept_and_removed(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> list[dict[str, Any]]:
        first = await store.set_attributes(SHOP, visitor, {"tier": "gold", "b2b": True, "orders": 3.0})
        second = await store.set_attributes(SHOP, visitor, {"tier": None, "b2b": False})
        read = await store.append_and_read(SHOP, visitor, [])
        return [first, second, read.attributes]

    first, second, read = do(body)
    assert first == {"tier": "gold", "b2b": True, "orders": 3.0}
    assert second == read == {"b2b": False, "orders": 3.0}
    assert read["b2b"] is False


def test_a_receipt_is_kept_and_its_decision_is_in_the_stream(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[str, bytes | None, bytes | None, list[stream.Entry]]:
        decision_id = new_id(store, visitor)
        assert await store.write_decisions([entry(visitor, decision_id, b'{"a":1}')]) == [None]
        other_shop = await store.receipt("other", decision_id)
        return decision_id, await store.receipt(SHOP, decision_id), other_shop, await entries(store, visitor)

    decision_id, receipt, other_shop, in_stream = do(body)
    assert (receipt, other_shop) == (b'{"a":1}', None)
    assert in_stream == [entry(visitor, decision_id, b'{"a":1}')]


def test_what_is_no_decision_id_is_told_so(do: Do) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(ValueError, match="not a decision id"):
            await store.receipt(SHOP, "nope")

    do(body)


def test_everything_of_a_visitor_is_shown_and_erased(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[Any, int, Any, list[stream.Entry]]:
        await store.append(SHOP, visitor, [[row(visitor, 1)]])
        await store.set_attributes(SHOP, visitor, {"tier": "gold"})
        made = [entry(visitor, new_id(store, visitor)) for _ in range(2)]
        assert await store.write_decisions(made) == [None, None]
        before = await store.visitor(SHOP, visitor)
        erased = await store.erase(SHOP, visitor)
        return before, erased, await store.visitor(SHOP, visitor), await entries(store, visitor)

    before, erased, after, in_stream = do(body)
    assert (len(before.tail), before.attributes, len(before.receipts)) == (32, {"tier": "gold"}, 2)
    assert erased == 5  # tail, attributes, the list of decisions and two receipts
    assert (after.tail, after.attributes, dict(after.receipts)) == (b"", {}, {})
    assert in_stream[-1] == stream.EraseEntry(SHOP, visitor)


def test_a_refusal_stores_nothing_and_hurts_nobody_else(do: Do) -> None:
    broken, fine = who(), who()

    async def body(store: Store) -> tuple[Any, bytes, list[stream.Entry]]:
        key = stream.attributes_key(store.partition(broken), SHOP, broken)
        await store.client.set(key, b"no hash")  # so that HGETALL is refused
        bad, _good = await asyncio.gather(
            store.append_and_read(SHOP, broken, []),
            store.append_and_read(SHOP, fine, [[row(fine, 1)]]),
            return_exceptions=True,
        )
        again = await store.append_and_read(SHOP, fine, [])
        return bad, again.tail, await entries(store, fine)

    bad, tail, in_stream = do(body)
    assert isinstance(bad, StoreUnavailable)
    assert len(tail) == 32
    assert len(in_stream) == 1


@pytest.mark.parametrize("kind", ["view_item", "dismiss_promotion"])
def test_a_full_server_stores_nothing(do: Do, kind: str) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[bytes, list[stream.Entry]]:
        if isinstance(store.client, RedisCluster):
            pytest.skip("its nodes are set one by one; each is a Redis as the others")
        await store.append(SHOP, visitor, [[row(visitor, 1)]])
        await store.client.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await store.append(SHOP, visitor, [[row(visitor, 2, kind, action="a")]])
        finally:
            await store.client.config_set("maxmemory", 0)
        return (await store.append_and_read(SHOP, visitor, [])).tail, await entries(store, visitor)

    tail, in_stream = do(body)
    assert (len(tail), len(in_stream)) == (32, 1)


def test_events_of_many_visitors_go_to_each_ones_tail_and_the_stream(do: Do) -> None:
    people = [who() for _ in range(60)]
    sent = {v: [[row(v, i)] for i in range(1 + at % 3)] for at, v in enumerate(people)}
    sent[people[0]].append(no(people[0], 9, "chat"))

    async def body(store: Store) -> list[tuple[list[int], int, Any]]:
        await store.append_all(SHOP, sent)
        seen = [await store.append_and_read(SHOP, v, []) for v in people]
        counts = [len(await entries(store, v)) for v in people]
        return [(unpack(s.tail)["ts_ms"].tolist(), n, s.dismissed) for s, n in zip(seen, counts, strict=True)]

    expected = [([lines[0].ts_ms for lines in sent[v]], len(sent[v]), ()) for v in people]
    expected[0] = (*expected[0][:2], ((hash64("chat"), 9),))
    assert do(body) == expected


def no(visitor_id: str, at: int, action: str) -> list[Row]:
    return [row(visitor_id, at, "dismiss_promotion", action=action)]


def test_a_no_is_remembered_when_the_tail_no_longer_reaches_it(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[Any, int]:
        await store.append(SHOP, visitor, [no(visitor, 7, "chat"), no(visitor, 5, "chat"), no(visitor, 6, "bar")])
        for start in range(100, 400, 100):
            await store.append(SHOP, visitor, [[row(visitor, start + i)] for i in range(100)])
        left = await store.client.pttl(stream.attributes_key(store.partition(visitor), SHOP, visitor))
        return await store.append_and_read(SHOP, visitor, []), left

    seen, left = do(body)
    assert CODE["dismiss_promotion"] not in unpack(seen.tail)["kind"]
    assert dict(seen.dismissed) == {hash64("chat"): 7, hash64("bar"): 6}
    assert seen.attributes == {}
    assert 86_000_000 < left <= 86_400_000


def test_a_no_is_no_attribute_and_goes_with_an_erasure(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[Any, Any, Any]:
        await store.append(SHOP, visitor, [no(visitor, 7, "chat")])
        attributes = await store.set_attributes(SHOP, visitor, {"tier": "gold"})
        before = await store.visitor(SHOP, visitor)
        await store.erase(SHOP, visitor)
        return attributes, before, await store.append_and_read(SHOP, visitor, [])

    attributes, before, after = do(body)
    assert attributes == before.attributes == {"tier": "gold"}
    assert before.dismissed == ((hash64("chat"), 7),)
    assert after.dismissed == ()


def test_only_so_many_noes_outlast_a_trim_the_latest(do: Do) -> None:
    visitor = who()
    n = TRIM_ABOVE // 32 + 1

    async def body(store: Store) -> Any:
        await store.set_attributes(SHOP, visitor, {"tier": "gold"})
        await store.append(SHOP, visitor, [no(visitor, at, f"a{at}") for at in range(n)])
        for _ in range(6000):
            seen = await store.append_and_read(SHOP, visitor, [])
            if len(seen.dismissed) <= MAX_DISMISSED:
                break
            await asyncio.sleep(0.01)
        return seen

    seen = do(body)
    assert sorted(ts_ms for _, ts_ms in seen.dismissed) == list(range(n - MAX_DISMISSED, n))
    assert seen.attributes == {"tier": "gold"}


def test_the_receipts_of_more_than_a_thousand_decisions_are_shown_and_erased(do: Do) -> None:
    visitor, n = who(), 1205

    async def body(store: Store) -> tuple[int, int, list[bytes | None]]:
        ids = [new_id(store, visitor) for _ in range(n)]
        assert await store.write_decisions([entry(visitor, i) for i in ids]) == [None] * n
        shown = len((await store.visitor(SHOP, visitor)).receipts)
        erased = await store.erase(SHOP, visitor)
        return shown, erased, [await store.receipt(SHOP, i) for i in ids]

    shown, erased, left = do(body)
    assert (shown, erased) == (n, n + 1)  # and the index of them
    assert left == [None] * n


def test_a_decision_is_known_by_visitor_for_as_long_as_its_receipt_is_kept(do: Do) -> None:
    visitor = who()

    async def body(store: Store) -> tuple[list[bytes], list[str], int]:
        key = stream.decisions_key(store.partition(visitor), SHOP, visitor)
        await store.client.zadd(key, {"long-ago": time.time() - 86_400 - 3600, "just-now": time.time() - 86_400 + 3600})
        made = new_id(store, visitor)
        assert await store.write_decisions([entry(visitor, made)]) == [None]
        return await store.client.zrange(key, 0, -1), ["just-now", made], await store.client.ttl(key)

    known, expected, left = do(body)
    assert [i.decode() for i in known] == expected
    assert 86_000 < left <= 86_400
