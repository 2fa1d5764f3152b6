"""Words of personas: a short name from behaviour, never from who somebody is, and a sentence of what stands out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.persona_traits import NAMES

Floats = npt.NDArray[np.float64]

STANDS_OUT: Final = 0.4
"""So many spreads from the average a trait is worth a word."""


@dataclass(frozen=True, slots=True)
class Words:
    """Of one side of a trait. adjective, noun: "" where it makes none."""

    sentence: str
    adjective: str = ""
    noun: str = ""


_WORDS: Final[Mapping[str, tuple[Words | None, Words | None]]] = {
    "visits": (Words("comes once", "one-visit"), Words("comes back several times", "", "returner")),
    "span": (None, Words("takes days", "patient")),
    "evening": (None, Words("comes in the evening", "evening")),
    "office": (None, Words("comes in office hours", "office-hours")),
    "weekend": (None, Words("comes at the weekend", "weekend")),
    "pages": (Words("sees few pages", "", "glancer"), Words("sees many pages a visit", "", "explorer")),
    "pace": (Words("moves fast", "quick"), Words("takes time on each page", "unhurried")),
    "products": (Words("looks at few products", "focused"), Words("looks at many products", "", "browser")),
    "compares": (None, Words("goes back to the same products", "", "comparer")),
    "searches": (None, Words("searches", "", "searcher")),
    "lists": (None, Words("goes through lists", "", "list-reader")),
    "reads": (None, Words("reads reviews, delivery and returns", "", "reader")),
    "price": (Words("looks at cheap products", "thrifty"), Words("looks at dear products", "high-end")),
    "carts": (None, Words("fills the cart", "", "cart-filler")),
    "units": (None, Words("takes several units at once", "bulk")),
    "mail": (None, Words("comes from e-mail", "mail")),
    "direct": (None, Words("comes directly", "direct")),
    "engine": (None, Words("comes from a search engine", "engine")),
    "adverts": (None, Words("comes from adverts and partners", "advert")),
    "social": (None, Words("comes from social media", "social")),
    "phone": (Words("sits at a desktop", "desktop"), Words("is on a phone", "phone")),
}


def standing_out(effects: Floats, used: Sequence[bool]) -> list[tuple[str, float, Words]]:
    """Traits with a word for their side, the farthest from the average first. effects: in spreads, (N_TRAITS,)."""
    found = []
    for at in np.argsort(-np.abs(effects), kind="stable").tolist():
        words = _WORDS[NAMES[at]][int(effects[at] > 0)]
        if used[at] and words is not None and abs(effects[at]) >= STANDS_OUT:
            found.append((NAMES[at], float(effects[at]), words))
    return found


def sentence(out: Iterable[tuple[str, float, Words]], most: int = 4) -> str:
    """What stands out: "Comes from e-mail, moves fast, sees few pages"."""
    told = ", ".join(words.sentence for _, _, words in list(out)[:most])
    return (told[:1].upper() + told[1:]) if told else "Like the average visitor"


def name(out: Sequence[tuple[str, float, Words]], taken: Iterable[str]) -> str:
    """An id for rules: the strongest adjective and the strongest noun, "evening-comparer"; another number if taken."""
    adjective = next((words.adjective for _, _, words in out if words.adjective), "")
    noun = next((words.noun for _, _, words in out if words.noun), "visitor")
    plain = "-".join(part for part in (adjective or ("" if noun != "visitor" else "average"), noun) if part)
    used, number = set(taken), 2
    found = plain
    while found in used:
        found, number = f"{plain}-{number}", number + 1
    return found


def title(persona: str) -> str:
    """An id as people read it: "Evening comparer"."""
    plain = persona.replace("-", " ")
    return plain[:1].upper() + plain[1:]
