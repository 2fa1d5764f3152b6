"""What the demo shop's pages need to know of their install: `home/shop.json`, written by `tact demo`.

* NoShop   no demo shop was set up in this install
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "shop.json"


class NoShop(LookupError):
    """There is no demo shop here."""


class StoreInfo(msgspec.Struct, frozen=True):
    """A store people can go to."""

    store_id: str
    address: str
    hours: str


class Front(msgspec.Struct, frozen=True):
    """The demo shop: which shop of this install it is, its name, and the key its pages use (public by nature)."""

    shop: str
    name: str
    publishable_key: str
    stores: tuple[StoreInfo, ...] = ()


def write_front(home: Path, front: Front) -> Path:
    """Set the demo shop up. Replaces the file in one step."""
    home.mkdir(parents=True, exist_ok=True)
    new = home / f"{FILE}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(front), indent=2))
    return new.replace(home / FILE)


def read_front(home: Path) -> Front:
    """The demo shop of an install. Raises NoShop, also for a file that is none."""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=Front)
    except FileNotFoundError:
        raise NoShop("no demo shop was set up here; `tact demo` does it") from None
    except msgspec.MsgspecError as error:
        raise NoShop(f"{home / FILE}: {error}") from error


CATEGORIES: Final[Mapping[str, tuple[str, str]]] = {
    "tents": ("Tents", "From a night in the dunes to a week in the fells."),
    "sleeping-bags": ("Sleeping bags", "Down and synthetic, for summer camps and frost."),
    "mats": ("Sleeping mats", "The colder the ground, the higher the R value."),
    "backpacks": ("Backpacks", "Day packs, trekking packs, and one for the children."),
    "boots": ("Boots & shoes", "Waterproof, broken in quickly, resoled when worn."),
    "jackets": ("Jackets", "Shells, down and fleece against North Sea weather."),
    "layers": ("Layers", "Merino next to the skin, and what goes over it."),
    "stoves": ("Stoves & pans", "Coffee before the others wake up."),
    "lamps": ("Lamps & power", "Light for the path, the tent and the map."),
    "bottles": ("Bottles & filters", "Water, hot and cold, and clean."),
    "navigation": ("Navigation", "Maps and instruments for when the phone is empty."),
    "care": ("Care & repair", "Make it last."),
}
"""Name and line of each category of the example catalog."""


def category_name(category: str) -> str:
    """What a category is called on a page."""
    return CATEGORIES.get(category, (category.replace("-", " ").capitalize(), ""))[0]
