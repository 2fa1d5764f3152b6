"""`tact demo`: everything on this machine with an example shop, models trained on the spot, and simulated visitors."""

import json
import time
import urllib.error
import urllib.request
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from models.registry import Registry
from service.console_access import make_link
from service.embedded import AlreadyRunning, NoServer, ServerFailed
from service.keys import PREFIX_CHARS, InvalidKeys
from service.settings import Settings
from tact import demo
from tact.console import console, errors, fail, load_settings
from tact.demo_visitors import Door, Refused, Tally, drive, visits
from tact.first_start import NewKeys
from tact.http_client import Disconnected
from tact.steps import Steps
from tact.supervisor import NotReady, PartFailed, Supervisor, interruptible, listen, wait_for_signal
from training.split import TooLittleData

READY_S: Final = 120.0
EXAMPLE: Final = {
    "visitor_id": "curl-1",
    "placements": ["pdp.trust"],
    "context": {"page_type": "product", "item_id": "duin-2", "locale": "en"},
}


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("demo")
    def demo_command(
        visitors: Annotated[int, typer.Option(min=0, max=2000, help="Simulated visitors sent in at the start.")] = 20,
        history: Annotated[
            int, typer.Option(min=100, max=100_000, help="Simulated visitors of the month before, at the first start.")
        ] = demo.HISTORY_VISITORS,
        once: Annotated[bool, typer.Option("--once", help="Set up, send the visitors, print, stop.")] = False,
    ) -> None:
        """Start everything with an example shop, its policy, models and some simulated visitors; Ctrl-C stops it all.

        Settings are environment variables: docs/settings.md. TACT_PORT is where it listens (8000).
        """
        settings = load_settings(writes=True)
        try:
            with interruptible():
                run(settings, visitors, history, once)
        except KeyboardInterrupt:
            console.print("stopped")
        except NotReady as error:
            fail(f"the service does not get ready: {error}", f"See {settings.logs}/service.log.")
        except (AlreadyRunning, demo.DemoRunning) as error:
            fail(str(error), "It goes on as it was. Stop it first, or set TACT_HOME to another folder.")
        except (NoServer, ServerFailed, PartFailed, InvalidKeys, TooLittleData) as error:
            fail(str(error))
        except (Refused, Disconnected, demo.NoExample) as error:
            fail(str(error), f"See {settings.logs}/service.log.")
        except OSError as error:
            fail(f"{type(error).__name__}: {error}", f"TACT_HOME is {settings.home}; logs are in {settings.logs}.")


def run(settings: Settings, visitors: int, history: int, once: bool) -> None:
    """The demo from start to stop. Nothing in the home is touched before it is known to be free."""
    settings = claim_port(settings)
    with demo.sole_demo(settings):
        supervisor = Supervisor(settings, say=lambda text: errors.print(escape(text), soft_wrap=True))
        try:
            supervisor.open_server()
            demo.forget_demo_file(settings)
            show(supervisor, visitors, history, once)
        finally:
            supervisor.stop()


def show(supervisor: Supervisor, visitors: int, history: int, once: bool) -> None:
    """Set up, start, send the visitors, tell where everything is, stay."""
    steps, example = Steps(console), demo.Example.find()
    made = prepare(supervisor.settings, example, history, steps)
    start(supervisor, example, made, steps)
    answer = ask(supervisor.url, made.publishable)
    demo.write_demo_file(supervisor.settings, supervisor.url, supervisor.redis_url, made)
    ready_s = steps.elapsed_s
    if visitors:
        send_visitors(supervisor.url, made, example, visitors, steps)
    console.print(panel(supervisor, made, ready_s))
    console.print(f"The console, without pasting a key:\n{console_link(supervisor, made.secret)}", soft_wrap=True)
    console.print("It opens once, within the hour; later [bold]./dev console --link[/] makes another.\n")
    console.print(f"{curl(supervisor.url, made.publishable)}\n{answer}", markup=False, soft_wrap=True)
    console.print("Stopping: --once was given." if once else "[bold]Ctrl-C stops all of it.[/]")
    if not once:
        wait_for_signal()
        console.print("stopping …")


def claim_port(settings: Settings) -> Settings:
    """The settings with a port that is free now (0: any). Ends with a message if it is taken."""
    try:
        with listen(settings) as free:
            return settings.model_copy(update={"port": free.getsockname()[1]})
    except OSError as error:
        fail(str(error), "Set TACT_PORT to another port, or to 0 for any free one; or stop what listens there.")


def prepare(settings: Settings, example: demo.Example, history: int, steps: Steps) -> NewKeys:
    """Keys, policy, history and models, each only if it is not there yet."""
    with steps.step("Keys and policy of the example shop") as step:
        made = demo.ensure_demo_keys(settings)
        written = demo.ensure_demo_policy(settings, example.policy)
        demo.ensure_front(settings, example, made.publishable)
        demo.ensure_demo_tests(settings, example)
        step.note = str(settings.policies / f"{demo.SHOP}.yaml") + ("" if written else " (as it was)")
    products = example.products()
    at_ms = demo.now_ms()
    if not demo.seeded(settings):
        with steps.step("A month of simulated history into the lake") as step:
            step.note = f"{demo.seed_lake(settings, products, at_ms, history):,} rows, {history:,} visitors"
    if Registry(settings.registry).live(demo.SHOP) is None:
        with steps.step("Models trained on it and published") as step:
            from tact.demo_models import train_and_publish  # a second start does without what training imports

            bundle_id = train_and_publish(
                settings, products, at_ms, lambda what, share: step.at(f"{what} {100 * share:.0f} %")
            )
            step.note = f"bundle {bundle_id}"
    return made


def start(supervisor: Supervisor, example: demo.Example, made: NewKeys, steps: Steps) -> None:
    """The parts up, the catalog in, everything ready. Raises PartFailed, NotReady."""
    with steps.step("Service, recorder, learner and console") as step:
        supervisor.start()
        supervisor.wait_answering(READY_S)
        step.note = supervisor.url
    with steps.step("Catalog uploaded, ready to decide") as step:
        told = call(
            f"{supervisor.url}/v1/catalog/items", made.secret, example.catalog_lines, "PUT", "application/x-ndjson"
        )
        supervisor.wait_ready(READY_S, demo.SHOP)
        wait_for_shop(supervisor, supervisor.url, READY_S)
        step.note = f"{told['accepted']} products"


def wait_for_shop(supervisor: Supervisor, url: str, timeout_s: float) -> None:
    """Until the shop's pages know the catalog. Raises NotReady, PartFailed."""
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        supervisor.check()
        try:
            with urllib.request.urlopen(f"{url}/shop", timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise NotReady(f"{url}/shop answers {error.code}") from error
        time.sleep(0.1)
    raise NotReady(f"{url}/shop has no catalog within {timeout_s:g} s")


def send_visitors(url: str, made: NewKeys, example: demo.Example, visitors: int, steps: Steps) -> Tally:
    """Simulated visitors through the front door. Raises Refused, Disconnected."""
    now_ms = demo.now_ms()
    with steps.step(f"{visitors} simulated visitors through the front door") as step:
        sent = visits(example.products(), visitors, now_ms // 1000, now_ms)
        tally = drive(Door(url, made.secret), sent, demo.SEED, lambda done: step.at(f"{done} of {len(sent)} events"))
        shown = ", ".join(f"{action} {count}" for action, count in tally.actions.most_common(4))
        step.note = f"{tally.events} events, {tally.decisions} decisions; most shown: {shown or 'nothing'}"
    return tally


def ask(url: str, publishable_key: str) -> str:
    """The answer to the example request, as text to print."""
    answer = call(f"{url}/v1/decisions", publishable_key, json.dumps(EXAMPLE).encode())
    return json.dumps(answer, indent=1, ensure_ascii=False)


def call(
    url: str, key: str, body: bytes | None, method: str = "POST", kind: str = "application/json"
) -> dict[str, Any]:
    """One call of the service. Raises Refused with its answer, or OSError."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        raise Refused(f"{method} {url} answered {error.code}: {error.read().decode(errors='replace')}") from error


def curl(url: str, publishable_key: str) -> str:
    """The example request as a command."""
    return f"curl -s {url}/v1/decisions -H 'Authorization: Bearer {publishable_key}' --json '{json.dumps(EXAMPLE)}'"


def console_link(supervisor: Supervisor, secret_key: str) -> str:
    """An address that logs in once, within the hour: nobody has to paste a key."""
    token = make_link(supervisor.settings.home, demo.SHOP, secret_key[:PREFIX_CHARS])
    return f"{supervisor.url}/console/login#{token}"


def panel(supervisor: Supervisor, made: NewKeys, ready_s: float) -> Panel:
    """Where everything is."""
    url, settings = supervisor.url, supervisor.settings
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # what does not fit goes on in the next line: half a key opens nothing
    rows = {
        "Shop": f"{url}/shop",
        "Console": f"{url}/console",
        "API": f"{url}/docs",
        "Metrics": f"{url}/metrics",
        "Readiness": f"{url}/readyz",
        "Publishable key": made.publishable,
        "Secret key": made.secret,
        "For scripts": str(settings.home / demo.DEMO_FILE),
        "Policy": f"{settings.policies / demo.SHOP}.yaml (edit it: it is reloaded)",
        "Logs": str(settings.logs),
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", escape(value))
    title = f"Noordzee Outdoor, a demonstration · ready in {ready_s:.1f} s"
    return Panel(table, title=title, subtitle="visitors named sim-… are simulated", expand=False)
