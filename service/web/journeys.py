"""JOURNEYS: visits to the demo shop that play themselves in the page. The player (static/journeys.js) walks them before
a person's eyes; the browser tests walk the very same ones and check what was decided on the way.

A journey tells what it is meant to show: where its last message stands and of which kinds it may be.
"""

from typing import Any, Final, Literal

import msgspec

Do = Literal["go", "click", "type", "meet", "wait"]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the visitor does, and what is said meanwhile. go: to an address; click, type: at a selector of CSS;
    meet: a message in the placement `at`; wait: seconds."""

    do: Do
    say: str
    at: str = ""
    text: str = ""
    wait_s: float = 0.0


class Past(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the visitor did before: an event, and how many seconds ago."""

    ago_s: int
    event: dict[str, Any]


class Journey(msgspec.Struct, frozen=True):
    """A visitor. kinds: of the message the last `meet` is about, the right ones for this moment."""

    id: str
    name: str
    about: str
    steps: tuple[Step, ...]
    kinds: tuple[str, ...]
    past: tuple[Past, ...] = ()


def _view(ago_s: int, item_id: str, category: str, price: float) -> Past:
    items = [{"item_id": item_id, "item_category": category, "price": price}]
    return Past(ago_s, {"event": "view_item", "page_type": "product", "items": items})


BUY: Final = 'form[data-tact-event*="add_to_cart"] button'
FORM: Final = "form.form button"
WORKS, DECLINED = "4242 4242 4242 4242", "4000 0000 0000 0002"


def _address(postcode: str = "3511 AB") -> tuple[Step, ...]:
    return (
        Step("type", "An address, no account.", "#name", "A. de Vries"),
        Step("type", "An e-mail address for the confirmation.", "#email", "a.devries@example.org"),
        Step("type", "And a postcode.", "#postcode", postcode),
        Step("click", "On to payment.", FORM),
    )


UNDECIDED: Final = Journey(
    "undecided",
    "The undecided",
    "Compares, puts a jacket in the cart, reads about returns, and pauses: the moment for a person, not for an offer.",
    (
        Step("go", "Looking round among the jackets.", "/shop/c/jackets"),
        Step("go", "A down jacket, again.", "/shop/p/dons"),
        Step("go", "Or a fleece?", "/shop/p/vacht"),
        Step("go", "Back to the first.", "/shop/p/dons"),
        Step("click", "Into the cart, to see what it comes to.", BUY),
        Step("go", "What if it does not fit?", "/shop/returns"),
        Step("meet", "A pause with something in the cart: somebody offers to help.", "global.chat"),
    ),
    ("chat",),
    (_view(420, "dons", "jackets", 219.0), _view(300, "vacht", "jackets", 89.0)),
)

BARGAIN: Final = Journey(
    "bargain",
    "The bargain hunter",
    "Comes from an advert, sorts by price, wants to know what delivery costs. Facts help; pressure would not be true.",
    (
        Step("go", "In from an advert, straight to the lamps.", "/shop/c/lamps?utm_source=prices&utm_medium=cpc"),
        Step("go", "Cheapest first.", "/shop/c/lamps?sort=price"),
        Step("go", "The least expensive.", "/shop/p/glim"),
        Step("go", "And what does delivery cost?", "/shop/delivery"),
        Step("go", "Back to the lamp.", "/shop/p/glim"),
        Step("click", "Into the cart.", BUY),
        Step("meet", "Beside the total: a fact that takes a doubt away, nothing more.", "cart.reassure"),
    ),
    ("badge", "hint"),
)

GIFT: Final = Journey(
    "gift",
    "The gift buyer",
    "Does not know the shop, searches for something it has not, finds a present, mistypes an address, and orders.",
    (
        Step("go", "From a post by somebody they follow.", "/shop?utm_source=instagram&utm_medium=social"),
        Step("type", "Searching for a present.", "input[name=q]", "surfboard"),
        Step("click", "Search.", "form.search button"),
        Step("meet", "Nothing found, and yet no dead end.", "search.help"),
        Step("go", "The guide for those who do not know.", "/shop/guides"),
        Step("go", "A coffee maker, then.", "/shop/p/koffie"),
        Step("click", "Into the cart.", BUY),
        Step("click", "To the checkout.", 'a[href="/shop/checkout"]'),
        *_address("somewhere"),
        Step("type", "The form says what is wrong; once more.", "#postcode", "9000"),
        Step("click", "On to payment.", FORM),
        Step("type", "Paying.", "#card", WORKS),
        Step("click", "Pay.", FORM),
        Step("meet", "Ordered. Thanks and care, and nothing is sold now.", "thankyou.next"),
    ),
    ("care", "survey", "loyalty"),
)

BUSINESS: Final = Journey(
    "business",
    "The business buyer",
    "Knows what the firm needs, twelve of it. The card says no: help comes where it happened, and after it a person.",
    (
        Step("go", "Straight to the account.", "/shop/account"),
        Step("go", "Head torches for the crew.", "/shop/p/lux-400"),
        Step("click", "Into the cart.", BUY),
        Step("type", "Twelve of them.", 'input[name="units"][type="number"]', "12"),
        Step("click", "Change the number.", "button.change"),
        Step("click", "To the checkout.", 'a[href="/shop/checkout"]'),
        *_address(),
        Step("type", "The company's card.", "#card", DECLINED),
        Step("click", "Pay.", FORM),
        Step("meet", "The bank said no: what it means, where it happened.", "checkout.help"),
        Step("meet", "And, a moment later, a person.", "global.chat"),
    ),
    ("chat",),
)

RETURNER: Final = Journey(
    "returner",
    "The returner",
    "Bought a jacket nine days ago, comes back from the e-mail and wants to send it back. Service, not another offer.",
    (
        Step("go", "From the order's e-mail.", "/shop/returns?utm_source=order&utm_medium=email"),
        Step("go", "How does sending back work? To the account.", "/shop/account"),
        Step("meet", "What was bought is looked after.", "account.loyalty"),
    ),
    ("care", "loyalty"),
    (
        _view(9 * 86_400 + 600, "bui", "jackets", 149.0),
        Past(
            9 * 86_400,
            {
                "event": "purchase",
                "page_type": "thank_you",
                "transaction_id": "n-1",
                "value": 149.0,
                "items": [{"item_id": "bui", "item_category": "jackets", "price": 149.0, "quantity": 1}],
            },
        ),
    ),
)

JOURNEYS: Final = {journey.id: journey for journey in (UNDECIDED, BARGAIN, GIFT, BUSINESS, RETURNER)}
"""By id, in the menu's order."""
