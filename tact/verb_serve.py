"""`tact serve`: a whole install on this machine, without example data."""

import json

import typer
from rich.markup import escape

from service.embedded import AlreadyRunning, NoServer, ServerFailed
from service.keys import InvalidKeys
from service.settings import Settings
from tact.console import console, errors, fail, load_settings
from tact.first_start import NewKeys, NoStarterPolicy, ensure_keys, ensure_policy
from tact.supervisor import PARTS, NotReady, PartFailed, Supervisor, interruptible, wait_for_signal

READY_S = 20
NO_BUNDLE = "no bundle"


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("serve")
    def serve() -> None:
        """Start everything on this machine and stay until Ctrl-C. The first start makes a shop with keys and a policy.

        Settings are environment variables: docs/settings.md.
        """
        settings = load_settings(writes=True)
        prepare(settings)
        run(settings)


def prepare(settings: Settings) -> None:
    """Make the first shop's keys and policy if there are none yet."""
    try:
        policy = ensure_policy(settings)
        made = ensure_keys(settings)
    except (InvalidKeys, NoStarterPolicy) as error:
        fail(str(error), f"Put a policy at {settings.policies}/SHOP.yaml and make keys with `tact keys create`.")
    except OSError as error:
        fail(str(error), "docs/settings.md lists the folders that are written to.", code=2)
    if policy is not None:
        console.print(f"starter policy   {escape(str(policy))} (edit it: it is reloaded while running)", soft_wrap=True)
    if made is not None:
        show(made)


def show(made: NewKeys) -> None:
    """Print new keys, which nobody can do again."""
    console.print(f"shop             {escape(made.shop)}")
    console.print(f"publishable key  {escape(made.publishable)}", soft_wrap=True)
    console.print(f"secret key       {escape(made.secret)} (shown once: keep it)", soft_wrap=True)


def run(settings: Settings, parts: tuple[str, ...] = PARTS) -> None:
    """Run parts until a signal; ends with code 1 and a reason if they do not come up."""
    supervisor = Supervisor(settings, parts, say=lambda text: errors.print(escape(text), soft_wrap=True))
    try:
        with interruptible(), supervisor:
            await_ready(supervisor)
            wait_for_signal()
            console.print("stopping …")
    except KeyboardInterrupt:
        console.print("stopped")
    except (AlreadyRunning, NoServer, ServerFailed, PartFailed, OSError) as error:
        fail(str(error))
    except NotReady as error:
        fail(f"the service does not answer: {error}", f"See {settings.logs}/service.log.")


def await_ready(supervisor: Supervisor) -> None:
    """Wait for the parts with a spinner, then say where everything is. Not being ready yet is told, not fatal."""
    with console.status("starting …"):
        supervisor.wait_answering()
        unready = _unready(supervisor)
    if "service" in supervisor.parts:
        console.print(
            f"service          {supervisor.url} (API: {supervisor.url}/docs, metrics: {supervisor.url}/metrics)"
        )
    console.print(f"state            {escape(supervisor.shown_redis_url)}", soft_wrap=True)
    console.print(f"logs             {escape(str(supervisor.settings.logs))}")
    if unready:
        console.print(f"[yellow]not ready yet[/]    {escape(unready)}", soft_wrap=True)
    console.print("Ctrl-C stops all of it.")


def _unready(supervisor: Supervisor) -> str:
    """What is missing, once only bundles are or after a while; empty if nothing is. A new install has no bundle yet."""
    missing: tuple[str, ...] = ()
    for _ in range(READY_S):
        try:
            supervisor.wait_ready(1.0)
        except NotReady as error:
            missing = _missing(str(error))
        else:
            return ""
        if all(what.endswith(NO_BUNDLE) for what in missing):
            return f"{'; '.join(missing)}: decisions are degraded until `tact train` and `tact publish` give one"
    return "; ".join(missing)


def _missing(body: str) -> tuple[str, ...]:
    """What /readyz says is missing; its whole text if it says something else."""
    try:
        return tuple(json.loads(body)["missing"])
    except (ValueError, KeyError, TypeError):
        return (body,)
