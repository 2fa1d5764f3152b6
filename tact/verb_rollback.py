"""`tact rollback`: the bundle before the live one goes live again."""

import getpass
import time
from typing import Annotated

import typer

from models.registry import Registry
from tact.console import console, fail, load_settings
from tact.learning import RegistryOption, WhyOption, told_plainly


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rollback")(rollback)


def rollback(
    shop: Annotated[str, typer.Option("--shop", help="The shop. Default: the only one that has a bundle.")] = "",
    registry: RegistryOption = "",
    why: WhyOption = "",
) -> None:
    """Make the bundle before this one live again; running services pick it up."""
    target = Registry(registry or load_settings().registry)
    having = target.shops()
    if not shop and len(having) != 1:
        fail(f"name the shop with --shop: {', '.join(having) or 'none has a bundle yet'}", code=2)
    shop = shop or having[0]
    with told_plainly():
        before = target.live(shop)
        identifier = target.rollback(shop, getpass.getuser(), why, time.time_ns() // 1_000_000)
    console.print(f"bundle {identifier} is live for shop {shop} again; {before} was")
