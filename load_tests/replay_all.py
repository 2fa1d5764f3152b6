"""Thousands of decisions by draws that are being learned, across a policy change and a restart, all made again.

    .venv/bin/python -m load_tests.replay_all [--decisions 10000] [--home DIR]

Starts the demo without visitors in a folder of its own, sends decisions with what came of them (by a stated clock, so
that sessions end and the learner publishes draws on the way), changes the policy after a third, restarts everything
after two, and ends with `tact replay` over the lot. It exits with 1 unless every receipt gives the same bytes.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from features.lakefile import read_decisions
from models.receipt_form import part_reader
from tact.http_client import Connection

PLACEMENTS = ("pdp.trust", "pdp.recommend", "global.chat")
VISITORS = 400
STEP_MS = 30_000
AT_ONCE = 8
WAIT_S = 900.0


class _Versions(msgspec.Struct):
    policy: str
    draws: str
    bundle: str


class Demo:
    """The demo as a process of its own, in one folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_") and k != "REDIS_URL"}
        self.environ |= {"TACT_HOME": str(home), "TACT_PORT": "0"}
        self.about: dict[str, Any] = {}

    def tact(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tact", *words]

    def start(self) -> None:
        """Returns when it answers."""
        path = self.home / "demo.json"
        path.unlink(missing_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.tact("demo", "--visitors", "0"), env=self.environ, stdout=log, stderr=subprocess.STDOUT
            )
        until(lambda: path.exists() or self.process.poll() is not None)
        self.about = json.loads(path.read_text())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def until(holds: Any) -> None:
    give_up = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > give_up:
            raise SystemExit("it did not get ready in time")
        time.sleep(0.2)


async def send(about: dict[str, Any], first: int, count: int, clock_ms: int) -> None:
    """Decisions and what came of them, AT_ONCE connections."""
    chance = random.Random(first)
    numbers = iter(range(first, first + count))

    async def one() -> None:
        connection = Connection(about["url"], about["secret_key"])
        for number in numbers:
            await _visit(connection, number, clock_ms + number * STEP_MS, chance)

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def _visit(connection: Connection, number: int, now_ms: int, chance: random.Random) -> None:
    visitor = f"replayed-{number % VISITORS}"
    context = {"page_type": "product", "item_id": f"duin-{1 + number % 3}", "locale": "en"}
    asked = {"visitor_id": visitor, "placements": PLACEMENTS, "context": context, "clock_ms": now_ms}
    answer = await connection.post("/v1/decisions", json.dumps(asked).encode())
    if answer.status != 200:
        raise SystemExit(f"a decision was answered {answer.status}: {answer.body[:300]!r}")
    decided = json.loads(answer.body)
    events = [
        {"event": "view_promotion", "action": got["action"], "placement": placement}
        for placement, got in decided["placements"].items()
        if got["action"] and chance.random() < 0.8
    ]
    if chance.random() < 0.15 + 0.05 * len(events):
        events.append({"event": "purchase", "order_id": f"o{number}", "value": 50.0})
    for at, event in enumerate(events):
        event |= {"visitor_id": visitor, "event_id": f"r{number}-{at}", "ts": now_ms + 1 + at}
        if event["event"] == "view_promotion":
            event["decision_id"] = decided["decision_id"]
    if events:
        await connection.post("/v1/events", json.dumps({"events": events, "clock_ms": now_ms + 10}).encode())


def change_policy(demo: Demo) -> None:
    """One action is worth more: another version, with other choices."""
    path = demo.home / "policies" / "demo.yaml"
    text = path.read_text()
    path.write_text(
        re.sub(r"^    value: (\d+)", lambda found: f"    value: {int(found[1]) + 7}", text, count=1, flags=re.M)
    )
    time.sleep(3)


def versions(home: Path) -> Counter[tuple[str, str, str]]:
    """How many decisions were made with each policy, draws and bundle."""
    receipts = read_decisions(home / "lake", "demo", columns=["receipt"]).column("receipt").to_pylist()
    found = map(part_reader(_Versions), receipts)
    return Counter((one.policy, one.draws, one.bundle) for one in found)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--home", type=Path, default=None)
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="tact-replay-"))
    home.mkdir(parents=True, exist_ok=True)
    demo, third = Demo(home), -(-given.decisions // 3)
    clock_ms = time.time_ns() // 1_000_000 - given.decisions * STEP_MS - 600_000
    demo.start()
    try:
        asyncio.run(send(demo.about, 0, third, clock_ms))
        change_policy(demo)
        asyncio.run(send(demo.about, third, third, clock_ms))
        demo.stop()
        demo.start()
        asyncio.run(send(demo.about, 2 * third, third, clock_ms))
        until(lambda: sum(versions(home).values()) >= 3 * third)
    finally:
        demo.stop()
    found = versions(home)
    print(f"decisions {sum(found.values())}, policies {len({k[0] for k in found})}, draws {len({k[1] for k in found})}")
    replayed = subprocess.run(
        demo.tact("replay", "--last", str(sum(found.values()))), env=demo.environ, capture_output=True, text=True
    )
    print(replayed.stdout, replayed.stderr)
    raise SystemExit(replayed.returncode)


if __name__ == "__main__":
    main()
