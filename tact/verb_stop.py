"""`tact stop`: the stop button. Nothing more of an action, in a placement, or of the whole shop, within a second."""

from typing import Annotated

import typer

from models.switches import SHOP
from tact.verb_switch import Shop, Why, switch


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("stop")(stop)


def stop(
    target: Annotated[str, typer.Argument(help="shop, placement:ID or action:ID.")] = SHOP,
    shop: Shop = "",
    why: Why = "",
) -> None:
    """Show nothing more of an action, in a placement, or at all; `tact switch TARGET off` undoes it."""
    switch(target, "stopped", shop, why)
