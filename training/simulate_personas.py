"""PERSONAS: who the simulated visitors are and how they travel. All of it is invented; none of it was measured.

The words are those of practitioners' texts on journeys: named from behaviour, never from who somebody is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Persona:
    """How one kind of visitor travels. Shares and chances lie in 0..1.

    share: of all visitors. sessions: mean number of visits. looks: mean products viewed in a visit. pace_s: median
    seconds on a page. price: what of a category's price range appeals, 0 the cheapest, 1 the dearest. wants: chance
    that a product which fits is wanted. settles: chance that a filled cart goes on to the checkout. hesitates: chance
    of a pause, a policy page or a way out before that. reads: chance of reading reviews. searches: chance that the
    next page is a search. chats: chance of asking somebody in a doubt. refunds: chance that a bought line goes back.
    units: units put in the cart at once. office: visits in working hours. channels: weight of each way in.
    """

    name: str
    share: float
    sessions: float
    looks: float
    pace_s: float
    price: float
    wants: float
    settles: float
    hesitates: float
    reads: float
    searches: float
    chats: float
    refunds: float
    mobile: float
    channels: Mapping[str, float]
    units: int = 1
    office: bool = False


PERSONAS: Final = (
    Persona(
        "window shopper", 0.40, 1.5, 3.5, 14, 0.5, 0.05, 0.25, 0.50, 0.03, 0.10, 0.02, 0.05, 0.72,
        {"social": 4, "organic_search": 3, "paid": 2, "direct": 1},
    ),
    Persona(
        "researcher", 0.20, 3.2, 7.0, 38, 0.6, 0.16, 0.52, 0.55, 0.30, 0.22, 0.08, 0.05, 0.35,
        {"organic_search": 5, "direct": 2, "referral": 2, "email": 1},
    ),
    Persona(
        "bargain hunter", 0.15, 2.4, 6.0, 17, 0.1, 0.15, 0.40, 0.60, 0.15, 0.30, 0.03, 0.08, 0.60,
        {"paid": 3, "partner": 3, "email": 2, "organic_search": 2},
    ),
    Persona(
        "quick returner", 0.08, 2.6, 4.0, 12, 0.5, 0.40, 0.68, 0.25, 0.08, 0.15, 0.03, 0.55, 0.65,
        {"direct": 4, "email": 3, "social": 2, "paid": 1}, 2,
    ),
    Persona(
        "gift buyer", 0.12, 1.7, 4.5, 22, 0.4, 0.26, 0.58, 0.45, 0.14, 0.25, 0.10, 0.10, 0.55,
        {"organic_search": 4, "partner": 2, "social": 2, "direct": 1},
    ),
    Persona(
        "business buyer", 0.05, 2.8, 4.0, 26, 0.7, 0.35, 0.66, 0.35, 0.12, 0.35, 0.14, 0.02, 0.10,
        {"direct": 5, "organic_search": 2, "email": 1}, 5, True,
    ),
)  # fmt: skip

REFERRER_OF: Final[Mapping[str, str]] = {
    "organic_search": "search",
    "paid": "search",
    "social": "social",
    "email": "mail",
    "partner": "partner",
    "referral": "other",
    "direct": "",
}
"""The class of page a visitor comes from, by channel."""

GOES_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "tents": ("mats", "sleeping-bags", "care"),
    "sleeping-bags": ("mats", "tents", "layers"),
    "mats": ("sleeping-bags", "tents"),
    "backpacks": ("bottles", "boots", "care"),
    "boots": ("layers", "care", "backpacks"),
    "jackets": ("layers", "care", "boots"),
    "layers": ("boots", "jackets"),
    "stoves": ("bottles", "lamps"),
    "lamps": ("stoves", "navigation"),
    "bottles": ("stoves", "backpacks"),
    "navigation": ("lamps", "backpacks"),
    "care": ("boots", "tents"),
}
"""What visitors interested in a category look at beside it."""

MISSPELT: Final = ("tipi", "surfboard", "fishing rod", "slaepingbag", "wetsuit", "bivvy bag xl")
"""Searches the example shop has nothing for."""
