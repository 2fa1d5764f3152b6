"""Why a product is recommended, in plain words and the page's language: what found it, and what led to it."""

from collections.abc import Set
from itertools import chain
from typing import Final

from models.inputs import Inputs

TEXTS: Final = {
    "en": {
        "together": ("Because you looked at {title}", "Others looked at this too"),
        "next": ("Often looked at after {title}", "Often looked at next"),
        "alike": ("Because you looked at {title}", "Others looked at this too"),
        "category": ("Of the same kind as {title}", "Of the kind you looked at"),
        "own": ("", "You looked at this before"),
        "earlier": ("", "You looked at this on an earlier visit"),
        "popular": ("", "Much looked at now"),
        "new": ("", "New in the shop"),
    },
    "nl": {
        "together": ("Omdat je {title} bekeek", "Anderen bekeken dit ook"),
        "next": ("Vaak bekeken na {title}", "Vaak hierna bekeken"),
        "alike": ("Omdat je {title} bekeek", "Anderen bekeken dit ook"),
        "category": ("Van dezelfde soort als {title}", "Van de soort die je bekeek"),
        "own": ("", "Je bekeek dit eerder"),
        "earlier": ("", "Je bekeek dit bij een eerder bezoek"),
        "popular": ("", "Nu veel bekeken"),
        "new": ("", "Nieuw in de winkel"),
    },
}
"""By language and what found the product: with the title of the product that led to it, and without."""


def reason_text(source: str, title: str, locale: str, own: str = "") -> str:
    """The sentence; "" in a language without texts. own: the shop's words, for where a product led to it."""
    titled, plain = TEXTS.get(locale.partition("-")[0], {}).get(source, ("", ""))
    if title and source in _FOLLOWING:
        return (own or titled).replace("{title}", title)
    return plain


_FOLLOWING: Final = frozenset(source for source, (titled, _) in TEXTS["en"].items() if titled)


def titles_of(item_ids: Set[str], inputs: Inputs) -> dict[str, str]:
    """The titles of those of the products that the decision knows of."""
    found: dict[str, str] = {}
    lists = (inputs.recommended, inputs.returning, inputs.popular, inputs.arrivals)
    page = () if inputs.product is None else (inputs.product,)
    for product in chain(page, inputs.recent, (suggestion.product for some in lists for suggestion in some)):
        if product.item_id in item_ids and product.item_id not in found:
            found[product.item_id] = product.title
            if len(found) == len(item_ids):
                break
    return found
