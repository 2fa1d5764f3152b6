"""`tact learner`: from the event stream to fresh statistics."""

import typer

from service.priority import LEARNING, give_way
from tact.console import part_settings, stop_on_signal


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("learner")
    def learner() -> None:
        """Run only the learner: from the event stream to fresh statistics. SIGTERM or Ctrl-C ends it in good order."""
        from service.learner import run

        give_way(LEARNING)
        run(part_settings(), stop_on_signal())
