"""Models for the demo shop, trained on the spot from its lake. Imports training, as nothing else of the demo does."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from features.catalog import Catalog, Product
from models import bundle
from models.registry import Registry
from service.settings import Settings
from tact.demo import SEED, SHOP
from training.lake import load_log
from training.split import Window
from training.table import Progress, build
from training.train import train

RANKED_VIEWS = 2_000
"""A ranker of 74 products needs no more, and somebody waits."""

NOTE = "trained by `tact demo` on simulated visitors"


def train_and_publish(settings: Settings, products: Iterable[Product], at_ms: int, progress: Progress) -> str:
    """A bundle from everything the lake has of the demo shop, made live. Returns its id. Raises TooLittleData."""
    log = load_log(settings.lake, SHOP, until_ms=at_ms)
    first_ms = int(log.records["ts_ms"].min()) if len(log) else 0
    catalog = Catalog.of(products)
    table = build(log, progress, catalog=catalog)
    window = Window(first_ms, at_ms)
    trained = train(log, table, window, SEED, progress, views=RANKED_VIEWS, catalog=catalog)
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".bundle-") as folder:
        bundle.write(Path(folder), trained.parts)
        return Registry(settings.registry).publish(folder, SHOP, by="tact demo", note=NOTE, at_ms=at_ms)
