"""`tact switch`: stop an action, a placement or the whole shop within a second, teach it, start it again."""

import asyncio
import getpass
import time
from typing import Annotated

import typer
from rich.table import Table

from models.policy import PolicyError, load_policy
from models.switches import SHOP, STATES
from service import audit
from service.embedded import running_url
from service.errors import Problem, StoreUnavailable
from service.lanes import open_client
from service.policy_files import find, read
from service.settings import Settings
from service.switchboard import Switchboard, check_target
from tact.console import console, errors, fail, load_settings
from tact.learning import told_plainly
from tact.policies import known_shop

OFF = "off"
Shop = Annotated[str, typer.Option(help="The shop. Default: the only one that has a policy.")]
Why = Annotated[str, typer.Option(help="Kept in the audit log.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("switch")(switch)


def switch(
    target: Annotated[str, typer.Argument(help="shop, placement:ID or action:ID; none: list the switches.")] = "",
    state: Annotated[str, typer.Argument(help=f"{', '.join(STATES)}; or {OFF}: as the policy's file says.")] = "",
    shop: Shop = "",
    why: Why = "",
) -> None:
    """Stop something, make it an apprentice (decided, not shown), or switch it on; running services heed it at once."""
    if bool(target) != bool(state) or (state and state not in (*STATES, OFF)):
        fail(f"say what to switch and to what: {', '.join((*STATES, OFF))}", code=2)
    settings = load_settings()
    with told_plainly():
        asyncio.run(_switch(settings, shop, target, state, why))


async def _switch(settings: Settings, shop: str, target: str, state: str, why: str) -> None:
    url = settings.redis_url or running_url(settings.home / "valkey")
    if url is None:
        fail("no server for the visitors' state runs here: set REDIS_URL, or start Tact first")
    client = open_client(url)
    try:
        board = Switchboard(client)
        switched = await board.read(shop) if shop else ()
        gone = (shop,) if switched else ()  # what was switched in a shop that has gone can still be undone
        shop = known_shop(settings, shop, gone)
        if not target:
            _show(switched or await board.read(shop))
            return
        _check(settings, shop, target, state)
        before = await (board.clear(shop, target) if state == OFF else board.set(shop, target, state))
    except StoreUnavailable as error:
        fail(str(error))
    finally:
        await client.aclose()
    after = "" if state == OFF else state
    now_ms = time.time_ns() // 1_000_000
    audit.append(settings.home, audit.Entry(now_ms, getpass.getuser(), "switch", shop, target, before, after, why))
    console.print(f"{shop}: {target} is {after or 'as the policy says'}; it was {before or 'as the policy says'}")


def _check(settings: Settings, shop: str, target: str, state: str) -> None:
    """A switch that is set names something the policy has; one for what has gone may still be taken away."""
    paths = find(settings.policies).get(shop, ())
    if target == SHOP or state == OFF:
        return
    if not paths:
        fail(f"shop {shop!r} has no policy in {settings.policies}", code=2)
    try:
        check_target(target, load_policy(read(paths[0]), str(paths[0])), state)
    except Problem as problem:
        fail(problem.detail, code=2)
    except (
        PolicyError,
        OSError,
    ) as error:  # an emergency is no time to mend a file: what is live has the target, or not
        errors.print(f"the policy's file is refused, so {target} is taken as it is: {str(error).splitlines()[0]}")


def _show(switched: tuple[tuple[str, str], ...]) -> None:
    if not switched:
        console.print("nothing is switched by hand: everything is as the policy says")
        return
    table = Table("target", "state")
    for target, state in switched:
        table.add_row(target, state)
    console.print(table)
