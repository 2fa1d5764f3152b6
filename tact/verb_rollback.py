"""`tact rollback`: the bundle before the live one goes live again; with --policy, the policy or the draws before."""

import getpass
import time
from typing import Annotated

import typer

from models.policy import PolicyError
from models.registry import Registry
from service.audit import TamperedAudit
from tact.audited import note
from tact.console import console, fail, load_settings
from tact.learning import RegistryOption, WhyOption, published_shop, told_plainly
from tact.policies import known_shop
from tact.promotions import NothingPromoted, roll_back


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rollback")(rollback)


def rollback(
    shop: Annotated[str, typer.Option("--shop", help="The shop. Default: the only one that has a bundle.")] = "",
    registry: RegistryOption = "",
    why: WhyOption = "",
    policy: Annotated[
        bool, typer.Option("--policy", help="Undo the latest `tact promote`: of a policy file, or of draws.")
    ] = False,
) -> None:
    """Make the bundle before this one live again, or undo a promotion; running services pick it up."""
    if policy:
        _policy_back(shop, why)
        return
    target = Registry(registry or load_settings().registry)
    shop = published_shop(target, shop)
    with told_plainly():
        before = target.live(shop)
        identifier = target.rollback(shop, getpass.getuser(), why, time.time_ns() // 1_000_000)
    note(load_settings(), "rollback", shop, "bundle", (before or "", identifier), why)
    console.print(f"bundle {identifier} is live for shop {shop} again; {before} was")


def _policy_back(shop: str, why: str) -> None:
    settings = load_settings(writes=True)
    shop = known_shop(settings, shop)
    try:
        done = roll_back(settings, shop, why)
    except (NothingPromoted, TamperedAudit, PolicyError, OSError) as error:
        fail(str(error))
    console.print(f"{done.target} {done.after} is live for shop {done.shop} again; {done.before} was", soft_wrap=True)
