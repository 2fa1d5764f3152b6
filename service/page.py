"""The page a decision is for: as the decision's context, and as the event that it is when a request names none."""

from collections.abc import Mapping
from typing import Final

from features.catalog import Product
from models.inputs import Context
from service.wire import DecisionRequest, Event, RequestContext

EVENT_OF_PAGE: Final[Mapping[str, str]] = {
    "product": "view_item",
    "cart": "view_cart",
    "list": "view_item_list",
    "search": "search",
}


def context_of(given: RequestContext) -> Context:
    """The request's context as the decision sees it."""
    return Context(
        page_type=given.page_type,
        item_id=given.item_id,
        category=given.category,
        locale=given.locale,
        device=given.device,
        channel=given.channel,
        referrer=given.referrer,
        query=given.query or given.search_term,
        cart_item_ids=tuple(given.cart_item_ids),
        exclude=tuple(given.exclude),
        dismissed=tuple(given.dismissed) if given.dismissed is not None else None,
    )


def event_of_page(request: DecisionRequest, decision_id: str, product: Product | None) -> Event:
    """The event a page view is. What the page does not say of its product is the catalog's."""
    page = request.context
    kind = EVENT_OF_PAGE.get(page.page_type, "page_view")
    query = page.query or page.search_term
    if (kind == "view_item" and not page.item_id) or (kind == "search" and not query):
        kind = "page_view"
    return Event(
        event=kind,
        event_id=decision_id,
        visitor_id=request.visitor_id,
        user_id=request.user_id,
        item_id=page.item_id,
        category=page.category or (product.category if product is not None else ""),
        price=product.price if product is not None else None,
        query=query,
        page_type=page.page_type,
        channel=page.channel,
        referrer=page.referrer,
        device=page.device,
        locale=page.locale,
    )
