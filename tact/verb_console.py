"""`tact console`: the part that answers the operators' console about the lake; or a link that opens the console."""

from typing import Annotated

import typer

from tact.console import console, fail, load_settings, part_settings, stop_on_signal
from tact.policies import known_shop


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("console")
    def console_command(
        link: Annotated[bool, typer.Option("--link", help="Print a link that logs in once, within the hour.")] = False,
        shop: Annotated[str, typer.Option("--shop", help="With --link. Default: the install's only shop.")] = "",
    ) -> None:
        """Run only the console's part: what its pages ask of the lake. With --link print a way in."""
        if link:
            console.print(_link(shop), soft_wrap=True, markup=False)
            return
        from tact.console_part import run

        run(part_settings(), stop_on_signal())


def _link(shop: str) -> str:
    from service.console_access import make_link
    from service.keys import Keys

    settings = load_settings(writes=True)
    shop = known_shop(settings, shop)
    prefix = next(
        (key.prefix for key in Keys.load(settings.keys_file).listed() if key.shop == shop and key.kind == "secret"),
        None,
    )
    if prefix is None:
        fail(f"shop {shop!r} has no secret key", "Make one: tact keys create --secret")
    token = make_link(settings.home, shop, prefix)
    return f"http://{settings.host}:{settings.port}/console/login#{token}"
