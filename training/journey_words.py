"""The words of the journey map, and its report as a page of Markdown."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

OUTCOME_WORDS: Final[Mapping[str, str]] = {
    "bought": "bought",
    "checkout_left": "left in the checkout",
    "cart_left": "left with a full cart",
    "after_sale": "came back after buying",
    "asked": "asked for help, then left",
    "looked": "looked round and left",
    "one_page": "left after one page",
}
MOMENT_WORDS: Final[Mapping[str, str]] = {
    "zero_results": "search without a result",
    "form_error": "error in a form",
    "payment_error": "payment refused",
    "rage_click": "rage clicks",
    "policy": "return policy read",
    "policy_again": "return policy read again",
    "cart_emptied": "cart emptied",
}
NEXT_WORDS: Final[Mapping[str, str]] = {
    "left": "left",
    "friction": "met friction again",
    "search": "searched",
    "list": "opened a list",
    "product": "looked at a product",
    "policy": "read the policy",
    "cart": "went to the cart",
    "checkout": "went on in the checkout",
    "bought": "bought",
    "chat": "asked in the chat",
    "other": "did something else",
}
_PLACES: Final[Mapping[str, str]] = {
    "kind:view_item": "product page",
    "kind:view_item_list": "product list",
    "kind:search": "search",
    "kind:zero_results": "search without a result",
    "kind:view_cart": "cart",
    "kind:begin_checkout": "checkout, first step",
    "kind:add_shipping_info": "checkout, delivery",
    "kind:add_payment_info": "checkout, payment",
    "kind:return_policy_view": "return policy",
    "kind:review_view": "reviews",
    "kind:chat_open": "chat",
    "kind:chat_message": "message in the chat",
    "kind:form_error": "error in a form",
    "kind:payment_error": "payment refused",
    "kind:rage_click": "rage clicks",
    "kind:add_to_cart": "put in the cart",
    "kind:remove_from_cart": "taken out of the cart",
    "kind:add_to_wishlist": "put on the wish list",
    "kind:select_item": "opened from a list",
    "kind:store_visit": "visit to a store",
    "kind:page_view": "page of no known kind",
    "page:home": "home page",
    "page:returns": "return page",
    "page:delivery": "delivery page",
    "page:thank_you": "thank-you page",
}


def place_words(name: str) -> str:
    """A place in words: "page:delivery" is the delivery page."""
    sort, _, rest = name.partition(":")
    plain = rest.replace("_", " ")
    return _PLACES.get(name) or (f"page of product {rest}" if sort == "product" else plain + " page" * (sort == "page"))


def page(told: Mapping[str, Any]) -> str:
    """The whole report as Markdown."""
    by = "in hindsight (docs/labels.md)" if told["stages"] == "hindsight" else "as decisions named them at the time"
    head = [f"# Journeys of {told['shop']}", "", f"Stages are {by}. {_told(told)}", ""]
    lacks = [f"- missing: {one['words']}" for one in told["missing"]]
    return "\n".join(
        [*head, *lacks, "", *_outcomes(told), *_flows(told), *_moments(told), *_places(told), *_lift(told)]
    )


def _told(told: Mapping[str, Any]) -> str:
    if not told["sessions"]:
        return "No session has ended in the time asked for."
    span = f"{told['since'][:16].replace('T', ' ')} to {told['until'][:16].replace('T', ' ')} UTC"
    left = f"{told['unended']:,} sessions were still going on and are left out."
    return f"{told['sessions']:,} sessions of {told['visitors']:,} visitors, {span}. {left}"


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    columns = list(head)
    lines = [f"| {' | '.join(one.replace('|', '/') for one in row)} |" for row in rows]
    if not lines:
        return []
    return [f"## {title}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *lines, ""]


def _share(value: float | None, ends: list[float] | None = None) -> str:
    if value is None:
        return "too few"
    return f"{value:.1%}" + (f" [{ends[0]:.1%}, {ends[1]:.1%}]" if ends else "")


def _outcomes(told: Mapping[str, Any]) -> list[str]:
    rows = (
        (OUTCOME_WORDS[one["outcome"]], f"{one['sessions']:,}", _share(one["share"], one["share_ci"]),
         f"{one['came_back'] / one['sessions']:.0%}")
        for one in told["outcomes"]
    )  # fmt: skip
    return _table("How sessions end", ("outcome", "sessions", "share", "came back later"), rows)


def _flows(told: Mapping[str, Any]) -> list[str]:
    names = {node["id"]: _node(node) for node in told["nodes"]}
    rows = ((names[one["source"]], names[one["target"]], f"{one['sessions']:,}") for one in told["links"])
    stops = (
        (f"{node['column']}", node["name"], f"{node['sessions']:,}", _share(node["stopped_share"], node["stopped_ci"]))
        for node in told["nodes"]
        if node["kind"] == "stage"
    )
    flows = _table("Flows", ("from", "to", "sessions"), rows)
    return flows + _table("Where they drop off", ("stage number", "stage", "sessions", "stop here"), stops)


def _node(node: Mapping[str, Any]) -> str:
    if node["kind"] == "outcome":
        return OUTCOME_WORDS[node["name"]]
    return f"{node['column']}. {node['name']}" if node["kind"] == "stage" else node["name"].replace("_", " ")


def _moments(told: Mapping[str, Any]) -> list[str]:
    rows = (
        (MOMENT_WORDS[one["moment"]], f"{one['sessions']:,}", _share(one["share"]),
         ", ".join(f"{NEXT_WORDS[name]} {n:,}" for name, n in one["next"].items()),
         _share(one["bought_share"], one["bought_ci"]), _share(one["came_back_share"]))
        for one in told["moments"]
    )  # fmt: skip
    head = ("moment", "sessions", "of all", "what came next", "bought in the session", "of the others came back")
    return _table("Moments of friction", head, rows)


def _places(told: Mapping[str, Any]) -> list[str]:
    rows = (
        (place_words(one["id"]), f"{one['passed']:,}", _share(one["share"]), _share(one["expected_share"]),
         "–" if one["ratio"] is None else f"{one['ratio']:.2f} [{one['ratio_ci'][0]:.2f}, {one['ratio_ci'][1]:.2f}]",
         "dead end" if one["dead_end"] else "")
        for one in (*told["places"], *told["products"])
    )  # fmt: skip
    head = ("place", "passed", "stop here", "expected", "times as many", "")
    return _table("Where sessions stop without an outcome", head, rows)


def _lift(told: Mapping[str, Any]) -> list[str]:
    rows = (
        (stage, f"{one['visitors'].get('full', 0):,}", f"{one['visitors'].get('holdout', 0):,}", one["words"])
        for stage, one in told.get("lift", {}).items()
    )
    head = ("stage", "visitors with messages", "holdout", "conversion over the holdout")
    return _table("What messages add, by stage", head, rows)
