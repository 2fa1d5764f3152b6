"""What Tact is measured beside: servers on the same settings as its own (`tact.verb_service.config`), one process each.

    python -m load_tests.floors a --fd 3
    python -m load_tests.floors b --fd 3      # REDIS_URL in the environment

* floor A  an ASGI application that answers a constant: the server and the event loop, nothing else
* floor B  what most would write: FastAPI, a body checked by Pydantic, one redis-py round trip (GET of the visitor), the
           answer a Pydantic model. redis-py with hiredis, as Tact's own lock has it
* /append  of floor B: the same, with a round trip that keeps the visitor's last events as Tact does: RPUSH, LTRIM,
           EXPIRE and LRANGE in one transaction of redis-py

Floor C, a bare Redis round trip, has no server: load_tests/floor_redis.py.
"""

import argparse
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any, Final

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from service.settings import Settings
from tact.verb_service import config

CONSTANT: Final = b'{"placements":{},"degraded":false}'
EVENTS: Final = 20
RECORD: Final = b"\x01" * 32
STATE: Final = RECORD * EVENTS
"""What floor B reads of a visitor: as many bytes as Tact's tail of 20 events."""

CALLERS: Final = 1024
"""Connections to Redis at most: redis-py's own 100 would refuse a burst."""

Ends = Callable[..., Awaitable[Any]]


async def constant(scope: MutableMapping[str, Any], receive: Ends, send: Ends) -> None:
    """Floor A."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(CONSTANT)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": CONSTANT})


class Context(BaseModel):
    """The page."""

    page_type: str = ""
    item_id: str = ""
    locale: str = ""
    device: str = ""


class Asked(BaseModel):
    """The same body as a decision's."""

    visitor_id: Annotated[str, Field(min_length=1, max_length=128)]
    placements: Annotated[list[str], Field(max_length=20)]
    context: Context = Context()


class Answer(BaseModel):
    """What floor B says."""

    visitor_id: str
    placements: dict[str, str | None]
    known: int


def naive(client: "redis.Redis") -> FastAPI:
    """Floor B."""
    app = FastAPI()

    @app.post("/v1/decisions")
    async def decide(asked: Asked) -> Answer:
        state = await client.get(f"floor:{asked.visitor_id}")
        return Answer(visitor_id=asked.visitor_id, placements=dict.fromkeys(asked.placements), known=len(state or b""))

    @app.post("/append")
    async def append(asked: Asked) -> Answer:
        key = f"floor-tail:{asked.visitor_id}"
        async with client.pipeline(transaction=True) as pipe:
            pipe.rpush(key, RECORD)
            pipe.ltrim(key, -EVENTS, -1)
            pipe.expire(key, 3600)
            pipe.lrange(key, 0, -1)
            *_, tail = await pipe.execute()
        return Answer(visitor_id=asked.visitor_id, placements=dict.fromkeys(asked.placements), known=len(tail))

    return app


def serve(floor: str, fd: int) -> None:
    """Serve a floor on an inherited socket until a signal."""
    made = config(Settings.load(os.environ))
    made.app = (
        constant if floor == "a" else naive(redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=CALLERS))
    )
    made.factory = False
    uvicorn.Server(made).run(sockets=[socket.socket(fileno=fd)])


def main() -> None:
    """Read the arguments, serve."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("floor", choices=("a", "b"))
    asked.add_argument("--fd", type=int, required=True)
    given = asked.parse_args()
    serve(given.floor, given.fd)


if __name__ == "__main__":
    main()
