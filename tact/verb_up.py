"""`tact up`: the parts of an install on a Redis or Valkey that somebody else runs."""

from typing import Annotated

import typer

from service.keys import InvalidKeys, Keys
from tact.console import errors, fail, load_settings
from tact.supervisor import PARTS
from tact.verb_serve import run


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("up")
    def up(
        part: Annotated[
            list[str] | None, typer.Option(help=f"Run only this part; repeatable. Parts: {', '.join(PARTS)}.")
        ] = None,
    ) -> None:
        """Run all parts, or some, on REDIS_URL and stay until a signal."""
        settings = load_settings(writes=True)
        if settings.redis_url is None:
            fail("tact up needs REDIS_URL", "`tact serve` starts a server of its own.", code=2)
        parts = tuple(part) if part else PARTS
        if unknown := sorted(set(parts) - set(PARTS)):
            fail(f"no such part: {', '.join(unknown)}", f"Parts: {', '.join(PARTS)}.", code=2)
        try:
            if not Keys.load(settings.keys_file).listed():
                errors.print(f"no keys in {settings.keys_file} yet: `tact keys create --shop SHOP`", soft_wrap=True)
        except (InvalidKeys, OSError) as error:
            fail(str(error))
        run(settings, parts)
