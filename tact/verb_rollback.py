"""`tact rollback`: the bundle before the live one goes live again."""

import getpass
import time
from typing import Annotated

import typer

from models.registry import DEFAULT_SHOP, Registry
from tact.console import console, load_settings
from tact.learning import told_plainly


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rollback")(rollback)


def rollback(
    shop: Annotated[str, typer.Option("--shop", help="The shop; `default` for all without a bundle of their own.")] = (
        DEFAULT_SHOP
    ),
    registry: Annotated[str, typer.Option("--registry", help="Default: TACT_REGISTRY.")] = "",
    why: Annotated[str, typer.Option("--why", help="Kept in the registry's history.")] = "",
) -> None:
    """Make the bundle before this one live again; running services pick it up."""
    target = Registry(registry or load_settings().registry)
    with told_plainly():
        before = target.live(shop)
        identifier = target.rollback(shop, getpass.getuser(), why, time.time_ns() // 1_000_000)
    console.print(f"bundle {identifier} is live for shop {shop} again; {before} was")
