"""`tact card`: what a person must know of a bundle before trusting it."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table as Grid

from models import bundle
from models.registry import Registry
from tact.console import console, fail, load_settings
from tact.learning import RegistryOption, published_shop, told_plainly
from training.card_view import Section, sections


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("card")(card)


def card(
    folder: Annotated[
        str, typer.Argument(help="A bundle's folder or fsspec address. Default: the live one.", show_default=False)
    ] = "",
    shop: Annotated[str, typer.Option("--shop", help="Show what is live for this shop.")] = "",
    registry: RegistryOption = "",
) -> None:
    """Show a bundle's model card: data window, figures with intervals, importance, leaks, data checks, limits."""
    if folder and shop:
        fail("name a bundle or --shop, not both", code=2)
    with told_plainly():
        one = bundle.load(folder or _live(registry, shop))
    for section in sections(one.manifest, one.id):
        _show(section)


def _live(registry: str, shop: str) -> str:
    """Where the live bundle of a shop, or of the only shop that has one, lies."""
    target = Registry(registry or load_settings().registry)
    shop = published_shop(target, shop)
    identifier = target.live(shop)
    if identifier is None:
        fail(f"nothing is live for shop {shop}")
    return target.path(identifier)


def _show(section: Section) -> None:
    console.print(f"\n[bold]{escape(section.title)}[/]")
    if section.rows:
        grid = Grid(*section.head, show_header=bool(section.head), box=None, pad_edge=False)
        for row in section.rows:
            grid.add_row(*(escape(cell) for cell in row))
        console.print(grid)
    for words in section.words:
        console.print(f"- {escape(words)}", soft_wrap=True)
