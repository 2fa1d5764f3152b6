"""`tact preview`: a signed link that shows one message to whoever opens it, and to nobody else."""

import time
from datetime import datetime
from typing import Annotated

import typer

from models.policy_terms import Policy
from service import keys
from service.preview import MAX_AGE_S, PARAMETER, NoSecretKey, Ticket, sign, with_token
from tact.console import console, fail, load_settings
from tact.policies import known_shop, policy_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("preview")(preview)


def preview(
    action: Annotated[str, typer.Argument(help="The action to show, by its id in the policy.")],
    placement: Annotated[str, typer.Option(help="Where. Default: the first of the action's placements.")] = "",
    url: Annotated[str, typer.Option(help="The page to open. Without it only the address's query is printed.")] = "",
    expires_in_s: Annotated[
        int, typer.Option(min=1, max=MAX_AGE_S, help="How long the link is good, in seconds.")
    ] = 3600,
    shop: Annotated[str, typer.Option(help="The shop. Default: the only one that has a policy.")] = "",
) -> None:
    """Make a link that shows a message in its place to its holder, with what stands against it. Nothing is counted."""
    settings = load_settings()
    shop = known_shop(settings, shop)
    placement = _placement(policy_of(settings, shop), action, placement)
    expires_s = int(time.time()) + expires_in_s
    try:
        token = sign(keys.Keys.load(settings.keys_file), Ticket(shop, placement, action, expires_s))
    except (NoSecretKey, keys.InvalidKeys) as error:
        fail(str(error), code=2)
    until = datetime.fromtimestamp(expires_s).astimezone()
    console.print(
        with_token(url, token) if url else f"?{PARAMETER}={token}", soft_wrap=True, highlight=False, markup=False
    )
    console.print(f"{action} in {placement}, until {until:%Y-%m-%d %H:%M %Z}", highlight=False)


def _placement(policy: Policy, action_id: str, placement: str) -> str:
    """Where to show it; ends with what there is."""
    action = policy.action(action_id)
    if action is None:
        fail(f"the policy has no action {action_id!r}", f"It has {', '.join(a.id for a in policy.actions)}.", code=2)
    if placement and placement not in action.placements:
        fail(f"{action_id} does not stand at {placement!r}; it stands at {', '.join(action.placements)}", code=2)
    return placement or action.placements[0]
