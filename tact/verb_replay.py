"""`tact replay`: make decisions again from their receipts and compare the bytes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.table import Table

from models.receipt import Gone, InvalidReceipt, Receipt, ReplayResult, replay_many
from service.settings import Settings
from tact.console import console, fail, load_settings
from tact.learning import ShopOption, shop_of
from tact.receipts import Archive, latest_receipts, receipt_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("replay")(run)


def run(
    decision_ids: Annotated[list[str] | None, typer.Argument(help="Decisions to replay; none: the latest.")] = None,
    shop: ShopOption = "",
    last: Annotated[int, typer.Option(min=1, help="How many of the latest decisions, where none is named.")] = 500,
) -> None:
    """Recompute decisions of the lake: the answer, the vector, the scores and every propensity, byte for byte."""
    settings = load_settings()
    shop = shop_of(settings.lake, shop)
    try:
        found = _named(settings, shop, decision_ids) if decision_ids else list(latest_receipts(settings, shop, last))
    except InvalidReceipt as error:
        fail(str(error))
    if not found:
        fail(f"the lake {settings.lake} has no decision of shop {shop!r}", "The recorder writes them within seconds.")
    outcomes = _replayed(found, Archive(settings))
    table = Table("outcome", "decisions")
    for outcome, count in outcomes.most_common():
        table.add_row(outcome, str(count))
    console.print(table)
    if set(outcomes) != {"identical"}:
        raise typer.Exit(1)


def _named(settings: Settings, shop: str, decision_ids: Iterable[str]) -> list[Receipt]:
    receipts = []
    for decision_id in decision_ids:
        receipt = receipt_of(settings, shop, decision_id)
        if receipt is None:
            fail(f"the lake {settings.lake} has no decision {decision_id!r} of shop {shop!r}")
        receipts.append(receipt)
    return receipts


def _replayed(receipts: Sequence[Receipt], archive: Archive) -> Counter[str]:
    return Counter(map(_outcome, replay_many(receipts, archive.bundle, archive.policy, archive.draws)))


def _outcome(result: ReplayResult | Gone) -> str:
    if isinstance(result, Gone):
        return str(result)
    return "identical" if result.identical else f"differs in {', '.join(result.differs)}"
