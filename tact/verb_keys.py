"""`tact keys`: a shop's API keys. A running service takes a change up by itself."""

from typing import Annotated

import typer
from rich.table import Table

from service import keys
from tact.console import console, fail, load_settings
from tact.first_start import make_keys
from tact.verb_serve import show


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verbs = typer.Typer(no_args_is_help=True, help="Create, list and revoke a shop's API keys.")
    verbs.command("create")(create)
    verbs.command("list")(list_keys)
    verbs.command("revoke")(revoke)
    app.add_typer(verbs, name="keys")


def create(
    shop: Annotated[str, typer.Option(help="The shop's name: letters, digits, . _ -")],
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="A web origin that may use the publishable key; repeatable; '*' for any. Default: our own pages."
        ),
    ] = None,
) -> None:
    """Make a publishable and a secret key. They are shown once: only their digests are kept."""
    settings = load_settings(writes=True)
    try:
        show(make_keys(settings, shop, tuple(origin or ())))
    except (keys.InvalidKeys, OSError) as error:
        fail(str(error), code=2)


def list_keys() -> None:
    """Show every key's shop, kind, first letters and origins."""
    settings = load_settings()
    try:
        listed = keys.Keys.load(settings.keys_file).listed()
    except (keys.InvalidKeys, OSError) as error:
        fail(str(error))
    table = Table("shop", "kind", "starts with", "origins")
    for key in listed:
        table.add_row(key.shop, key.kind, key.prefix, " ".join(key.origins))
    console.print(table if listed else f"no keys in {settings.keys_file}")


def revoke(prefix: Annotated[str, typer.Argument(help="The key, or how it starts, as `list` shows it.")]) -> None:
    """Take a key out of use."""
    try:
        gone = keys.revoke(load_settings().keys_file, prefix)
    except (keys.UnknownKey, keys.AmbiguousKey, keys.InvalidKeys, OSError) as error:
        fail(str(error))
    console.print(f"revoked {gone.prefix}… ({gone.kind}, shop {gone.shop})")
