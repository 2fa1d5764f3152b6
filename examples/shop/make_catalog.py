"""Makes catalog.ndjson and stores.ndjson of the example shop, Noordzee Outdoor. Run it from anywhere:

    python examples/shop/make_catalog.py

Products, shop and stores are invented. What is not written in the tables (stock, ratings, when a product came) follows
from a hash of its id, so that the files are the same on every machine.
"""

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

STORES = (
    {"store_id": "Utrecht", "address": "Oudegracht 112, Utrecht", "hours": "Mon-Sat 10:00-18:00, Thu until 21:00"},
    {"store_id": "Rotterdam", "address": "Meent 64, Rotterdam", "hours": "Mon-Sat 10:00-18:00, Fri until 21:00"},
    {"store_id": "Groningen", "address": "Folkingestraat 9, Groningen", "hours": "Tue-Sat 10:00-18:00"},
    {"store_id": "Gent", "address": "Veldstraat 41, Gent", "hours": "Mon-Sat 10:00-18:30"},
)

MARGIN_SHARE = {
    "tents": 0.34,
    "sleeping-bags": 0.38,
    "mats": 0.41,
    "backpacks": 0.39,
    "boots": 0.43,
    "jackets": 0.46,
    "layers": 0.52,
    "stoves": 0.33,
    "lamps": 0.44,
    "bottles": 0.48,
    "navigation": 0.29,
    "care": 0.55,
}

# category: (id, title, price in EUR, facts a shopper compares)
PRODUCTS: dict[str, tuple[tuple[str, str, float, str], ...]] = {
    "tents": (
        ("duin-1", "Duin 1 solo tent", 179.00, "1 person, 1.3 kg, 3 seasons"),
        ("duin-2", "Duin 2 trekking tent", 249.00, "2 persons, 1.9 kg, 3 seasons"),
        ("duin-3", "Duin 3 trekking tent", 319.00, "3 persons, 2.7 kg, 3 seasons"),
        ("wad-4", "Wad 4 family tent", 449.00, "4 persons, 8.2 kg, standing height"),
        ("wad-6", "Wad 6 family tent", 629.00, "6 persons, 12.4 kg, two rooms"),
        ("storm-2", "Storm 2 four-season tent", 589.00, "2 persons, 2.6 kg, 4 seasons"),
        ("schelp", "Schelp beach shelter", 59.00, "UPF 50, 1.1 kg, pops up"),
    ),
    "sleeping-bags": (
        ("eider-5", "Eider +5 down bag", 229.00, "comfort 5 °C, 620 g, down"),
        ("eider-0", "Eider 0 down bag", 289.00, "comfort 0 °C, 830 g, down"),
        ("eider-10", "Eider -10 down bag", 399.00, "comfort -10 °C, 1.2 kg, down"),
        ("wol-8", "Wol +8 summer bag", 79.00, "comfort 8 °C, 900 g, synthetic"),
        ("wol-2", "Wol +2 all-round bag", 119.00, "comfort 2 °C, 1.5 kg, synthetic"),
        ("zeehond", "Zeehond children's bag", 64.95, "grows along, 1.0 kg, synthetic"),
        ("liner-silk", "Silk travel liner", 54.95, "130 g, adds 3 °C, washable"),
    ),
    "mats": (
        ("drijf-r3", "Drijf air mat", 109.00, "R 3.2, 480 g, 7 cm"),
        ("drijf-r5", "Drijf Plus insulated mat", 159.00, "R 5.4, 620 g, 8 cm"),
        ("drijf-wide", "Drijf Wide air mat", 134.00, "R 3.2, 610 g, 64 cm wide"),
        ("plaat", "Plaat foam mat", 29.95, "R 2.0, 410 g, folds"),
        ("zelf-5", "Zelf 5 self-inflating mat", 89.00, "R 4.1, 1.1 kg, 5 cm"),
        ("kussen", "Inflatable pillow", 24.95, "85 g, washable cover"),
    ),
    "backpacks": (
        ("kim-22", "Kim 22 day pack", 89.00, "22 l, 780 g, laptop sleeve"),
        ("kim-30", "Kim 30 hiking pack", 119.00, "30 l, 990 g, rain cover"),
        ("horizon-45", "Horizon 45 trekking pack", 179.00, "45 l, 1.4 kg, adjustable back"),
        ("horizon-60", "Horizon 60 trekking pack", 219.00, "60 l, 1.7 kg, adjustable back"),
        ("horizon-75", "Horizon 75 expedition pack", 259.00, "75 l, 2.1 kg, adjustable back"),
        ("licht-40", "Licht 40 ultralight pack", 199.00, "40 l, 690 g, frameless"),
        ("krab", "Krab child carrier", 239.00, "to 18 kg, sun roof, 2.4 kg"),
    ),
    "boots": (
        ("klif-mid", "Klif Mid hiking boots", 169.00, "waterproof, category B, 1.1 kg"),
        ("klif-low", "Klif Low hiking shoes", 139.00, "waterproof, category A, 820 g"),
        ("rots", "Rots mountain boots", 249.00, "leather, category C, 1.6 kg"),
        ("strand", "Strand sandals", 79.95, "quick drying, 560 g"),
        ("ren-trail", "Ren trail runners", 129.00, "drop 6 mm, 540 g"),
        ("klif-kids", "Klif Kids boots", 84.95, "waterproof, sizes 28-38"),
        ("slof", "Slof camp slippers", 39.95, "packable, 260 g"),
    ),
    "jackets": (
        ("bui", "Bui rain jacket", 149.00, "waterproof 20,000 mm, 340 g"),
        ("bui-pro", "Bui Pro shell", 289.00, "three layers, 28,000 mm, 420 g"),
        ("dons", "Dons down jacket", 219.00, "750 fill, 380 g, hood"),
        ("vacht", "Vacht fleece jacket", 89.00, "recycled, 410 g"),
        ("wind", "Wind jacket", 99.00, "wind proof, 110 g, own pocket"),
        ("poncho", "Travel poncho", 44.95, "waterproof, covers a pack"),
        ("bui-kids", "Bui Kids rain jacket", 69.95, "waterproof, sizes 104-164"),
    ),
    "layers": (
        ("merino-ls", "Merino long-sleeved shirt", 74.95, "merino 180, no smell"),
        ("merino-tee", "Merino T-shirt", 54.95, "merino 150, no smell"),
        ("merino-leg", "Merino leggings", 69.95, "merino 200, flat seams"),
        ("zip-off", "Zip-off trousers", 89.95, "dries fast, UPF 40"),
        ("sokken-2", "Hiking socks, two pairs", 29.95, "merino blend, padded"),
        ("muts", "Lambswool beanie", 24.95, "double knit"),
    ),
    "stoves": (
        ("vonk", "Vonk gas stove", 49.95, "85 g, 2.6 kW, piezo"),
        ("vonk-set", "Vonk cooking system", 129.00, "1.0 l, boils in 2:30, 390 g"),
        ("brander-2", "Brander camp cooker", 99.00, "two burners, wind shield"),
        ("hout", "Hout wood burner", 79.95, "folds flat, 420 g, steel"),
        ("pannen", "Pan set for two", 59.95, "hard anodised, 510 g"),
        ("koffie", "Camp coffee maker", 34.95, "0.6 l, steel filter"),
    ),
    "lamps": (
        ("lux-400", "Lux 400 head torch", 49.95, "400 lm, USB-C, 78 g"),
        ("lux-1000", "Lux 1000 head torch", 99.95, "1,000 lm, USB-C, 140 g"),
        ("glim", "Glim tent lantern", 39.95, "250 lm, 60 h, warm light"),
        ("baken", "Baken torch", 64.95, "900 lm, waterproof"),
        ("zon-20", "Zon 20 solar panel", 79.95, "20 W, folds, two ports"),
        ("accu-20", "Accu 20 power bank", 59.95, "20,000 mAh, 30 W"),
    ),
    "bottles": (
        ("kruik-750", "Kruik 750 steel bottle", 29.95, "0.75 l, single wall"),
        ("thermos-1", "Thermos bottle 1 litre", 44.95, "hot for 24 h"),
        ("filter", "Bron water filter", 54.95, "0.1 µm, 65 g, 1,000 l"),
        ("blaas-2", "Hydration bladder 2 litres", 34.95, "wide opening, quick release"),
        ("mok", "Insulated mug", 22.95, "0.35 l, lid"),
    ),
    "navigation": (
        ("kompas", "Baseplate compass", 34.95, "declination scale"),
        ("gps-track", "Koers GPS watch", 379.00, "maps, 40 h, barometer"),
        ("kaart-pieter", "Pieterpad map set", 27.95, "498 km, waterproof"),
        ("kijker-8", "Kiek 8x25 binoculars", 119.00, "waterproof, 310 g"),
        ("fluit", "Signal whistle", 7.95, "120 dB"),
    ),
    "care": (
        ("was", "Waterproofing wash", 16.95, "300 ml, PFC-free"),
        ("lapjes", "Tent repair kit", 14.95, "patches, sleeve, cord"),
        ("vet", "Leather boot wax", 11.95, "100 ml, beeswax"),
        ("droogzak", "Dry bag 20 litres", 24.95, "roll top, 110 g"),
        ("ehbo", "First-aid kit for hikers", 32.95, "62 pieces, 380 g"),
    ),
}

SOLD_OUT = frozenset({"storm-2", "eider-10", "rots", "gps-track", "licht-40"})
"""None to send; the first and the fourth still lie in a store."""

IN_STORE_ONLY = frozenset({"storm-2", "gps-track"})
FIRST_DAY = date(2024, 3, 1)
DAYS = 900


def number(item_id: str, what: str, below: int) -> int:
    """A number in [0, below) that follows from the product and what it is for."""
    return int.from_bytes(hashlib.sha256(f"{item_id}/{what}".encode()).digest()[:6], "big") % below


def stores_of(item_id: str) -> dict[str, int]:
    """Units in each store."""
    if item_id in SOLD_OUT and item_id not in IN_STORE_ONLY:
        return {store["store_id"]: 0 for store in STORES}
    return {store["store_id"]: max(0, number(item_id, store["store_id"], 9) - 2) for store in STORES}


def product(category: str, item_id: str, title: str, price: float, facts: str) -> dict[str, Any]:
    """One line of the catalog, as PUT /v1/catalog/items takes it."""
    stock = 0 if item_id in SOLD_OUT else 2 + number(item_id, "stock", 60)
    return {
        "item_id": item_id,
        "title": title,
        "url": f"/shop/p/{item_id}",
        "image": f"/shop/img/{item_id}.svg",
        "category": category,
        "price": price,
        "margin": round(price * MARGIN_SHARE[category], 2),
        "stock": stock,
        "stores": stores_of(item_id),
        "tags": facts.split(", "),
        "rating": round(3.6 + number(item_id, "rating", 14) / 10, 1),
        "reviews": 3 + number(item_id, "reviews", 240),
        "added": str(FIRST_DAY + timedelta(days=number(item_id, "added", DAYS))),
    }


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    write(HERE / "catalog.ndjson", [product(category, *row) for category, rows in PRODUCTS.items() for row in rows])
    write(HERE / "stores.ndjson", [dict(store) for store in STORES])
