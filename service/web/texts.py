"""TEXTS: the demo shop's pages of words. Every link of a message leads to one of them: no dead ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Text:
    """A page: its title, its kind and event for Tact, its paragraphs, and the products shown under them."""

    title: str
    page_type: str
    paragraphs: tuple[str, ...]
    event: str = "page_view"
    products: Literal["", "best", "recent"] = ""
    facts: tuple[tuple[str, str], ...] = ()


TEXTS: Final[Mapping[str, Text]] = {
    "delivery": Text(
        "Delivery",
        "delivery",
        (
            "Ordered before 22:00 on a working day, delivered the next day, in the Netherlands and Belgium.",
            "From €50 delivery is free, below that it costs €4.95.",
            "Or collect from one of our stores at no cost: what lies there is kept for you for two days.",
        ),
        facts=(
            ("Standard, next working day", "€4.95, free from €50"),
            ("Collect in a store", "free, today if it lies there"),
            ("Evening, 18:00 to 22:00", "€6.95"),
            ("Belgium", "as in the Netherlands"),
        ),
    ),
    "returns": Text(
        "Returns",
        "returns",
        (
            "You have 60 days to change your mind. Sending back is free: the label is in the parcel.",
            "Used it and it failed? Bring it or send it: we repair first and replace second.",
            "The money is back within three working days after the parcel has reached us.",
        ),
        "return_policy_view",
        facts=(
            ("Time to decide", "60 days from delivery"),
            ("Sending back", "free, label in the parcel"),
            ("Money back", "within 3 working days"),
            ("In a store", "at once, with the receipt"),
        ),
    ),
    "payment": Text(
        "Ways to pay",
        "content",
        (
            "iDEAL, Bancontact, card, or afterwards by invoice. Payment is encrypted; we never see your card.",
            "Declined? Nothing was charged. Your order is kept: try again or take another way.",
        ),
    ),
    "contact": Text(
        "Contact",
        "contact",
        (
            "Chat with us from Monday to Saturday, 9:00 to 21:00: the button is at the bottom of every page.",
            "Or come by: our stores know the shelves by heart.",
        ),
    ),
    "certificate": Text(
        "Certified webshop",
        "content",
        (
            "An independent body checks every year how we sell, deliver and treat complaints.",
            "(Invented, as is this shop.)",
        ),
    ),
    "reviews": Text(
        "Reviews",
        "content",
        ("Buyers tell what they found, four weeks after the parcel came. We publish all of it. Best reviewed now:",),
        "review_view",
        "best",
    ),
    "guides": Text(
        "Guides",
        "content",
        (
            "How cold will it be at night? How far do you carry it? With whom? How often?",
            "Nights above 8 °C: a light synthetic bag. Around freezing: down and a mat with an R value over 4.",
            "Carrying it for days: every item under a kilogram. From the car: take the comfort.",
        ),
        products="best",
    ),
    "partner": Text(
        "The list from the article", "content", ("What our partner wrote about, in one place:",), products="best"
    ),
    "seen": Text("Seen in our posts", "content", ("With sizes and prices:",), products="best"),
    "compare": Text("Side by side", "content", ("The products you looked at last:",), products="recent"),
    "care": Text(
        "Care and repair",
        "content",
        (
            "Wash shells with soap made for them, rinse twice, and let them dry before they go into a bag.",
            "Store down loose, never compressed. Wax leather when water no longer pearls.",
            "Torn, broken, worn? Our workshop in Utrecht repairs what we sell.",
        ),
    ),
    "survey": Text("One question", "content", ("What nearly kept you from ordering? Tell us in the chat. Thank you!",)),
}
"""Address below /shop, to page."""
