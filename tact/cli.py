"""The `tact` command. A verb's module is imported only when that verb runs: serving never imports training.

Each verb is one file `tact/verb_<name>.py` with `register(app: typer.Typer) -> None`, which adds the command under the
verb's name. The table below holds the one-line help, so that `tact --help` imports nothing either.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""One thread each, set before numpy is imported: small products get slower with more, and results stop repeating."""

RUN, LEARN, LOOK, PARTS = "Run", "Learn", "Look", "Parts of a running install"


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table: where the verb lives and what --help says of it."""

    help: str
    panel: str

    @staticmethod
    def module(name: str) -> str:
        """The module of a verb."""
        return f"tact.verb_{name.replace('-', '_')}"


VERBS: Mapping[str, Verb] = {
    "demo": Verb("Start everything with an example shop, its policy, models and some visitors.", RUN),
    "serve": Verb("Start everything: the server for the visitors' state, the service, recorder and learner.", RUN),
    "up": Verb("Like serve, on the Redis or Valkey at REDIS_URL; takes the parts to run.", RUN),
    "keys": Verb("Create, list and revoke a shop's API keys.", RUN),
    "stop": Verb("Show nothing more of an action, in a placement, or of the whole shop, within a second.", RUN),
    "switch": Verb("Stop something, make it an apprentice (decided, not shown), or switch it on; list what is.", RUN),
    "check": Verb("Check a policy file: every problem and lint with file and line.", RUN),
    "test-policy": Verb("Test a policy with example visitors: what they see, and what they never see.", RUN),
    "simulate": Verb("Replay the lake's decisions through a changed policy: who gains or loses which message.", RUN),
    "import": Verb("Import an event log (CSV, NDJSON, Parquet) into the lake.", LEARN),
    "replay-log": Verb("Send an event log to a running service, in order, with its own clock.", LEARN),
    "check-data": Verb("Check a shop's log before training: what it would teach wrongly, and what to do.", LEARN),
    "train": Verb("Train a bundle of models from the lake.", LEARN),
    "evaluate": Verb("Train on one window, test on the next: figures and a report with pictures.", LEARN),
    "learn": Verb("Learn what each message adds over silence, from the lake, as a candidate to promote.", LEARN),
    "promote": Verb("Let a policy file or learned draws go live, unless the receipts say they may lose.", LEARN),
    "publish": Verb("Publish a bundle, if it passes the gate; running services pick it up.", LEARN),
    "card": Verb("Show a bundle's model card: data, figures with intervals, importance, known limits.", LEARN),
    "rollback": Verb("Make the bundle before this one live again; with --policy: the policy or draws before.", LEARN),
    "lift": Verb("Measure each arm against the holdout, per visitor: conversion and revenue.", LOOK),
    "journeys": Verb("Tell how visitors travel: channels, stages, outcomes, friction, dead ends, lift by stage.", LOOK),
    "personas": Verb(
        "Find kinds of visitors by how they travel, how stable they are; put them in use for rules.", LOOK
    ),
    "why": Verb("Explain a decision, or why an action was not chosen.", LOOK),
    "replay": Verb("Recompute decisions from their receipts and compare the bytes.", LOOK),
    "preview": Verb("Make a signed link that shows one message to its holder only.", LOOK),
    "audit": Verb("List who changed what a shop shows, and tell whether the log is whole.", LOOK),
    "earned": Verb("Tell what each message earned: rates, orders behind it, and what it added over silence.", LOOK),
    "drift": Verb("Compare features and scores of the lake's decisions with the live bundle's training.", LOOK),
    "bench": Verb("Measure speed beside the floors of this machine; from a source checkout.", LOOK),
    "skew": Verb("Compare online and offline features bit by bit on a shop's whole log.", LOOK),
    "compare-lakes": Verb("Compare the events of two lakes, row by row.", LOOK),
    "service": Verb("Run only the HTTP service.", PARTS),
    "recorder": Verb("Run only the recorder: from the event stream to the lake.", PARTS),
    "learner": Verb("Run only the learner: from the event stream to fresh statistics.", PARTS),
    "console": Verb("Run only the console's part; with --link print a link that opens the console.", PARTS),
}

PARTS_WITH_OPTIONS: Mapping[str, tuple[str, ...]] = {"evaluate": ("off-policy", "policy", "uplift")}
"""First words of a verb that take options of their own; each is a module: tact/verb_<verb>_<word>.py."""


class Verbs(TyperGroup):
    """A group that knows its commands' names from the table and imports a command when it is used."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer.Context is its public name
        """The verbs in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        """What --help and completion need of a verb."""
        verb = VERBS.get(cmd_name)
        return None if verb is None else TyperCommand(cmd_name, help=verb.help, rich_help_panel=verb.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command of the verb in args[0]."""
        name = args[0]
        if name not in VERBS:
            close = get_close_matches(name, VERBS, n=2, cutoff=0.65)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"No such verb {name!r}.{hint}")
        if args[1:2] and args[1] in PARTS_WITH_OPTIONS.get(name, ()):
            return f"{name} {args[1]}", load(f"{name}-{args[1]}"), args[2:]
        return name, load(name), args[1:]


def load(name: str) -> Any:
    """Import one verb and return its command. Raises typer.Exit with a message if its module is not there."""
    module = Verb.module(name)
    try:
        register = importlib.import_module(module).register
    except ModuleNotFoundError as error:
        typer.echo(_missing(name, module, error), err=True)
        raise typer.Exit(1) from error
    app = typer.Typer()
    app.callback()(lambda: None)  # keeps it a group, so that its only command keeps its name
    register(app)
    return typer.main.get_group(app).commands[name]


def _missing(name: str, module: str, error: ModuleNotFoundError) -> str:
    if error.name == module:
        return f"tact {name}: this install has no such verb ({module} is not installed)"
    return (
        f"tact {name} needs {error.name}, which is not installed. Verbs that learn need the training extra: "
        "pip install 'tact[training]'"
    )


def build() -> typer.Typer:
    """The application."""
    app = typer.Typer(
        cls=Verbs,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Tact: the right message, to the right visitor, at the right moment, or none at all.",
    )
    app.callback()(lambda: None)
    return app


def main() -> None:
    """Run the verb named on the command line."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # LightGBM waits asleep: others work here too
    build()(prog_name="tact", args=sys.argv[1:])
