"""`tact recorder`: from the event stream to the lake."""

import typer

from service.priority import RECORDING, give_way
from tact.console import part_settings, stop_on_signal


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("recorder")
    def recorder() -> None:
        """Run only the recorder: from the event stream to the lake. SIGTERM or Ctrl-C ends it in good order."""
        from service.recorder import run

        give_way(RECORDING)
        run(part_settings(), stop_on_signal())
