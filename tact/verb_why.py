"""`tact why`: what a decision was made from, and why an action did or did not show."""

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from models.receipt import InvalidReceipt, Receipt, explain, why
from tact.console import console, fail, load_settings
from tact.learning import ShopOption, shop_of
from tact.receipts import Archive, receipt_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("why")(run)


def run(
    decision_id: Annotated[str, typer.Argument(help="The decision.")],
    action: Annotated[str, typer.Option(help="Only this action: why it did, or did not, show.")] = "",
    shop: ShopOption = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain a decision of the lake: every candidate with what blocked it or what it was worth, beside silence."""
    settings = load_settings()
    shop = shop_of(settings.lake, shop)
    try:
        receipt = receipt_of(settings, shop, decision_id)
    except InvalidReceipt as error:
        fail(str(error))
    if receipt is None:
        fail(f"the lake {settings.lake} has no decision {decision_id!r} of shop {shop!r}")
    try:
        explained = why(receipt, action or None)
    except LookupError as error:
        fail(str(error.args[0]))
    if not action:
        explained["contributions"] = _contributions(receipt, Archive(settings))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(explained)).decode())
    elif action:
        for placement in explained["placements"]:
            console.print(f"[bold]{placement['placement']}[/]: {placement['because']}")
    else:
        _show(explained)


def _contributions(receipt: Receipt, archive: Archive) -> dict[str, list[dict[str, Any]]] | None:
    """What moved each score; None where the bundle is gone or the decision is degraded."""
    bundle = archive.bundle(receipt.bundle) if receipt.bundle else None
    return explain(receipt, bundle, top=5) if bundle is not None else None


def _show(explained: dict[str, Any]) -> None:
    if explained["degraded_because"]:
        console.print(f"[yellow]degraded[/]: {explained['degraded_because']}")
    named = f"stage {explained['stage_named']}, " if explained["stage_named"] else ""
    console.print(f"{named}arm {explained['arm']}, costs times {explained['weariness']:g}")
    for name in ("stage", "intent"):
        scores = explained[name] or {}
        console.print(f"[bold]{name}[/] " + "  ".join(f"{key} {value:.3f}" for key, value in scores.items()))
    for place, told in explained["placements"].items():
        table = Table("candidate", "blocked by", "detail", "net value", "propensity", title=_title(place, told))
        for candidate in told["candidates"]:
            table.add_row(*_cells(candidate))
        table.add_row("silence", "", "", "0", f"{told['silence']['propensity']:.3f}")
        console.print(table)
    for model, parts in (explained["contributions"] or {}).items():
        moved = ", ".join(f"{part['feature']} {part['contribution']:+.2f}" for part in parts)
        console.print(f"[bold]{model}[/] moved by {moved or 'nothing'}")


def _title(place: str, told: dict[str, Any]) -> str:
    withheld = f"; {told['withheld']} withheld, an apprentice" if told.get("withheld") else ""
    return f"{place}: {told['action'] or 'silence'} ({told['reason']}, propensity {told['propensity']:.3f}{withheld})"


def _cells(candidate: dict[str, Any]) -> tuple[str, ...]:
    if "gate" in candidate:
        return candidate["action"], candidate["gate"], candidate["detail"], "", ""
    net, apprentice = candidate.get("net"), "decided, not shown" if candidate.get("apprentice") else ""
    return (
        candidate["action"],
        "apprentice" if apprentice else "",
        apprentice,
        "" if net is None else f"{net:.4f}",
        f"{candidate.get('propensity', 0.0):.3f}",
    )
