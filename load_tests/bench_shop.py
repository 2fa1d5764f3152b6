"""The shop of the load tests: products, a month of history by the traffic model, models trained on it.

Made once and kept under artifacts/bench, by what it is made from; nothing of a real log is in it.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.catalog import Product
from features.lake_catalog import write_catalog
from features.lakefile import EVENTS, write_events
from features.schema import FINGERPRINT
from load_tests.policy import SHOP, policy
from load_tests.traffic import PARAMETERS, Traffic, Views, sessions
from models.bundle import FORMAT

MADE: Final = 1
"""Goes up when what is made here changes, so that it is made anew."""

DAY_MS: Final = 86_400_000
CATEGORIES: Final = 40
DAYS: Final = 30
RANKED_VIEWS: Final = 4000
KINDS: Final = np.array(["page_view", "view_item", "add_to_cart", "view_cart", "purchase"], object)
PAGES: Final = np.array(["home", "product", "product", "cart", "thank_you"], object)
KEEN: Final = 0.25

Ints = npt.NDArray[np.int64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How large the shop is."""

    products: int = 10_000
    sessions: int = 20_000
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that was made: its registry with a live bundle, its policy, its products as an upload."""

    registry: Path
    policies: Path
    catalog: bytes
    products: int


def ensure(folder: Path, size: Size, say: Say = lambda text: None) -> Shop:
    """The shop, made if it is not there yet. Raises training.split.TooLittleData for a tiny one."""
    parts = (
        PARAMETERS.read_bytes(),
        str(MADE).encode(),
        FINGERPRINT.encode(),
        str(FORMAT).encode(),
        repr(size).encode(),
    )
    place = folder / f"shop-{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"
    made = products(size)
    if not (place / "registry").is_dir():
        _make(place, size, made, say)
    policies = place / "policies"
    policies.mkdir(exist_ok=True)
    (policies / f"{SHOP}.yaml").write_text(policy())
    return Shop(place / "registry", policies, upload(made), size.products)


def products(size: Size) -> list[Product]:
    """Their ids are item_id of their rank in popularity."""
    rng = np.random.default_rng(size.seed)
    prices = np.round(rng.lognormal(3.5, 0.8, size.products), 2)
    return [
        Product(
            item_id(rank),
            f"Product {rank}",
            url=f"/p/{rank}",
            image=f"/i/{rank}.jpg",
            category=f"c{rank // 20 % CATEGORIES}",
            price=float(price),
            margin=float(round(0.3 * price, 2)),
            stock=int(5 + rank % 50),
        )
        for rank, price in enumerate(prices)
    ]


def item_id(rank: int) -> str:
    """The product of a rank."""
    return f"item-{rank}"


def upload(made: Iterable[Product]) -> bytes:
    """As PUT /v1/catalog/items takes them."""
    names = ("item_id", "title", "url", "image", "category", "price", "margin", "stock")
    return b"\n".join(msgspec.json.encode({name: getattr(product, name) for name in names}) for product in made)


def history(size: Size, end_ms: int) -> pa.Table:
    """A month of the traffic model's sessions that ends at end_ms. Who is keen buys, late in a session."""
    views = sessions(Traffic.of(), size.sessions, DAYS * DAY_MS / 1000, size.products, size.seed)
    rng = np.random.default_rng([size.seed, 2])
    keen = (rng.random(size.sessions) < KEEN)[views.session]
    late = np.minimum(views.place / 5.0, 1.0)
    draw = rng.random(len(views))
    buy = np.where(keen, 0.06, 0.004) * late
    cart = buy + np.where(keen, 0.12, 0.02)
    kind = np.select([draw < buy, draw < cart, draw < cart + 0.03, draw < cart + 0.1], [4, 2, 3, 0], default=1)
    return _table(views, kind, end_ms - DAYS * DAY_MS, size)


def _table(views: Views, kind: Ints, start_ms: int, size: Size) -> pa.Table:
    n = len(views)
    prices = np.array([product.price for product in products(size)])
    about = np.isin(kind, (1, 2, 4))
    ids = pc.binary_join_element_wise("item-", pc.cast(pa.array(views.item), pa.string()), "")
    columns: dict[str, Any] = {
        "shop": _same(SHOP, n),
        "visitor_id": pc.binary_join_element_wise("h", pc.cast(pa.array(views.visitor), pa.string()), ""),
        "event_id": pc.binary_join_element_wise("e", pc.cast(pa.array(np.arange(n)), pa.string()), ""),
        "ts_ms": (start_ms + views.at_s * 1000).astype(np.int64),
        "event": KINDS[kind],
        "item_id": pc.if_else(pa.array(about), ids, ""),
        "price": pa.array(np.where(about, prices[views.item], np.nan), from_pandas=True),
        "quantity": np.ones(n, np.int32),
        "line": np.zeros(n, np.int32),
        "page_type": PAGES[kind],
        "device": np.where(views.visitor % 3 == 0, "desktop", "mobile").astype(object),
        "received_ms": (start_ms + views.at_s * 1000).astype(np.int64),
    }
    empty = {"value": pa.nulls(n, pa.float64())}
    return pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else empty.get(f.name, _same("", n)) for f in EVENTS],
        schema=EVENTS,
    )


def _same(text: str, n: int) -> pa.Array:
    return pa.array(np.full(n, text, object), pa.string())


def _make(place: Path, size: Size, made: list[Product], say: Say) -> None:
    """History, then a bundle of it, live in a registry."""
    from features.catalog import Catalog
    from models import bundle
    from models.registry import Registry
    from training.lake import load_log  # brings in what only training needs
    from training.split import Window
    from training.table import build
    from training.train import train

    place.mkdir(parents=True, exist_ok=True)
    end_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(dir=place) as aside:
        lake, new = Path(aside) / "lake", Path(aside) / "registry"
        write_events(lake, history(size, end_ms), "history")
        write_catalog(lake, SHOP, made)
        log, catalog = load_log(lake, SHOP, until_ms=end_ms), Catalog.of(made)

        def told(what: str, share: float) -> None:
            say(f"{what} {100 * share:.0f} %")

        table = build(log, told, catalog=catalog)
        window = Window(int(log.records["ts_ms"].min()), end_ms)
        trained = train(log, table, window, size.seed, told, views=RANKED_VIEWS, catalog=catalog)
        folder = Path(aside) / "bundle"
        bundle.write(folder, trained.parts)
        Registry(new).publish(folder, SHOP, by="tact bench", note="made up, for load tests", at_ms=end_ms)
        new.rename(place / "registry")
