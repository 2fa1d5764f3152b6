"""Words that a lint looks for in what visitors read, by language: short lists, each with the reason it is here.

A list names what shops of a language really write, not every way to write it; it misses more than it finds wrongly.
Patterns are regular expressions, read without regard to case; those under "" are looked for in every language.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

LANGUAGES: Final = ("en", "nl", "de", "fr")
"""Languages with lists. Texts in others are looked at for what stands under "" only."""

Patterns = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """Something texts assert. A claim covers it if it speaks of it in any language, or rests on one of `facts`."""

    name: str
    patterns: Patterns
    facts: tuple[str, ...] = ()


TOPICS: Final = (
    Topic(  # being first or best: advertising law asks for the comparison behind it
        "a superlative",
        {
            "": r"(#|nr\.? ?|no\. ?|n° ?)1\b",
            "en": r"\bbest\b(?! (before|regards|wishes))|\bnumber one\b|\bcheapest\b|\blowest price|\bmost popular\b"
            r"|\bleading\b|\bunbeatable\b",
            "nl": r"\b(de|het|onze|'s) beste\b|\bnummer (1|één|een)\b|\bgoedkoopste\b|\blaagste prijs|\bpopulairste\b",
            "de": r"\b(der|die|das|den|unsere?) beste[nrs]?\b|\bnummer eins\b"
            r"|\b(günstigste|billigste|beliebteste|führende)",
            "fr": r"\b(le|la|les|nos|notre) meilleure?s?\b|\bnuméro (un|1)\b|\b(le|la) moins chère?\b"
            r"|\bprix le plus bas\b",
        },
    ),
    Topic(  # a promise with legal weight
        "a guarantee",
        {
            "en": r"\bguarantee|\bwarrant(y|ies)\b",
            "nl": r"\bgarantie|\bgegarandeerd|\bgarande(ren|ert)\b",
            "de": r"\bgarant(ie|iert|ieren)",
            "fr": r"\bgaranti",
        },
    ),
    Topic(  # somebody else's word: it can be looked up, and lapses
        "a certificate or test",
        {
            "en": r"\bcertifi|\bofficial|\baward|\btested\b|\bapproved\b",
            "nl": r"\bgecertificeerd|\bcertificaat|\bofficiële?\b|\bkeurmerk|\bgetest\b|\bbekroond",
            "de": r"\bzertifi|\boffiziell|\bgeprüft|\bausgezeichnet|\bgetestet",
            "fr": r"\bcertifi|\bofficiel|\bagréée?|\btestée?s?\b|\bprimée?s?\b|\blabellisée?",
        },
    ),
    Topic(  # "free" has conditions
        "something free of charge",
        {
            "en": r"(?<!feel )(?<!-)\bfree\b(?! to )|\bno charge\b|\bwithout charge\b|\bat no cost\b",
            "nl": r"\bgratis\b|\bkosteloos\b|\bzonder kosten\b",
            "de": r"\bkostenlos|\bkostenfrei|\bgratis\b|\bumsonst\b",
            "fr": r"\bgratuit|\boffert|\bsans frais\b",
        },
    ),
    Topic(  # a price advantage needs the price before
        "a price advantage",
        {
            "": r"\d ?%",
            "en": r"\bdiscount|\bhalf price\b|\bon sale\b|\bsave (up to )?[€$£]?\d",
            "nl": r"\bkorting|\bhalve prijs\b|\bafgeprijsd|\bbespaar\b",
            "de": r"\brabatt|\bhalber preis\b|\breduziert\b|\bsparen sie\b|\bspare\b",
            "fr": r"\bremise\b|\bréduction|\brabais\b|\bmoitié prix\b|\béconomisez\b",
        },
        ("price",),
    ),
    Topic(  # ratings and crowds: what others think or do has to be counted somewhere
        "what others think or do",
        {
            "": r"\d([.,]\d)? ?(/ ?(5|10)\b|★|⭐)|★★",
            "en": r"\b\d[\d.,]* (stars?|reviews|customers|buyers|people|visitors|others)\b|\brated\b|\breviews\b",
            "nl": r"\b\d[\d.,]* (sterren|reviews|beoordelingen|klanten|kopers|mensen|bezoekers)\b|\bbeoordeeld\b"
            r"|\breviews\b",
            "de": r"\b\d[\d.,]* (sterne|bewertungen|kunden|käufer|personen|besucher)\b|\bbewertet\b|\bbewertungen\b",
            "fr": r"\b\d[\d.,]* (étoiles?|avis|clients|acheteurs|personnes|visiteurs)\b|\bnotée?s?\b|\bavis clients?\b",
        },
        ("rating", "reviews"),
    ),
    Topic(  # exclusiveness
        "that something is limited or exclusive",
        {
            "en": r"\blimited\b|\bexclusive",
            "nl": r"\bbeperkte? (oplage|tijd|aantal|voorraad)|\bexclusie[fv]|\blimited\b",
            "de": r"\blimitiert|\bbegrenzt|\bexklusiv",
            "fr": r"\blimitée?s?\b|\bexclusi(f|ve)",
        },
    ),
    Topic(  # what is in stock changes by the hour
        "that something is in stock",
        {
            "en": r"\bin stock\b",
            "nl": r"\bop voorraad\b",
            "de": r"\bauf lager\b|\bvorrätig\b",
            "fr": r"\ben stock\b",
        },
        ("stock", "stores"),
    ),
)

COUNTDOWN: Final[Patterns] = {  # urgency that never ends is a lie the next day
    "en": r"\b(only|just) today\b|\btoday only\b|\bends (in|today|tonight|soon)\b|\blast chance\b|\bhurry\b"
    r"|\bonly \d+ (minutes|hours|days)\b|\bact now\b",
    "nl": r"\b(alleen|enkel) vandaag\b|\beindigt (over|vandaag|vanavond|binnenkort)\b|\blaatste kans\b"
    r"|\bwees er snel bij\b"
    r"|\bnog (maar )?\d+ (minuten|uur|uren|dagen)\b",
    "de": r"\bnur (noch )?heute\b|\bendet (in|heute|bald)\b|\bletzte chance\b|\bbeeilen sie sich\b|\bbeeil dich\b"
    r"|\bnur noch \d+ (minuten|stunden|tage)\b",
    "fr": r"\b(seulement aujourd'hui|aujourd'hui seulement)\b|\bse termine (dans|aujourd'hui|bientôt|ce soir)\b"
    r"|\bdernière chance\b|\bdépêchez-vous\b|\bplus que \d+ (minutes|heures|jours)\b",
}

_NOT_TIME: Final = r"(?! ?(minut|hour|day|uur|uren|dag|stunde|tag|heure|jour))"
SCARCITY: Final[Patterns] = {  # fear of missing out, true only while the stock says so
    "en": r"\bonly (?P<units>\d+)\b"
    + _NOT_TIME
    + r"|\b(almost|nearly) (gone|sold out)\b|\bselling fast\b|\blast (items|pieces)\b"
    r"|\bfew left\b",
    "nl": r"\bnog (maar )?(?P<units>\d+)\b"
    + _NOT_TIME
    + r"|\bbijna (uitverkocht|op)\b|\blaatste (stuks|exemplaren)\b|\bop ?(=|is) ?op\b",
    "de": r"\bnur noch (?P<units>\d+)\b"
    + _NOT_TIME
    + r"|\b(fast|bald) (ausverkauft|weg)\b|\bletzten? (stücke?|exemplare)\b",
    "fr": r"\bplus que (?P<units>\d+)\b"
    + _NOT_TIME
    + r"|\b(presque|bientôt) (épuisé|en rupture)|\bderni(ers|ères) (exemplaires|pièces)\b",
}
FEW: Final = 10
"""Units that "almost gone" may stand for."""

SHAMING: Final[Patterns] = {  # a no that has to insult oneself: "no thanks, I prefer to pay full price"
    "en": r"\bno,?( thanks| thank you)?[,.:;–-]* ?i('d| would| will|'ll)?( rather| really)? "
    r"(prefer|like|love|hate|don't|do not|pay|miss|want|enjoy|stay)\b|\bi('d| would) rather (pay|miss)\b"
    r"|\bi (hate|don't (like|want|need)) (saving|savings|discounts|deals|good)",
    "nl": r"\bnee,?( bedankt| dank je| dank u)?[,.:;–-]* ?ik (betaal|wil|hou|houd|haat|mis|hoef|heb)\b"
    r"|\bik betaal (liever|graag)\b|\bik mis (het|dit) liever\b",
    "de": r"\bnein,?( danke)?[,.:;–-]* ?ich (zahle|verzichte|mag|will|möchte|brauche|hasse)\b"
    r"|\bich zahle (lieber|gern)",
    "fr": r"\bnon,?( merci)?[,.:;–-]* ?je (préfère|paie|paye|n'aime|ne veux|n'ai|renonce|déteste)\b"
    r"|\bje préfère payer\b",
}


def found(patterns: Patterns, text: str, language: str) -> "re.Match[str] | None":
    """Where a list's words stand in a text of a language; None if nowhere."""
    plain = text.replace("’", "'")
    matches = (_compiled(patterns[key]).search(plain) for key in ("", language) if key in patterns)
    return next((match for match in matches if match is not None), None)


def speaks_of(topic: Topic, text: str) -> bool:
    """Whether a text, in any of the languages, is about a topic."""
    return any(_compiled(pattern).search(text) for pattern in topic.patterns.values())


@cache
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.IGNORECASE)
