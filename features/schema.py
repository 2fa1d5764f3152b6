"""FEATURES: the numbers read from a tail, in the order of the vector.

A name's prefix says what it is about, and is how a policy's rules see it: `session_views` is `session.views`.
Unknown is NaN, never 0: an empty cart is worth 0, a cart of products without a price is worth NaN.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple


class Feature(NamedTuple):
    name: str
    unit: str
    meaning: str


FEATURES: Final = (
    # what just happened
    Feature(
        "event_kind", "code", "What the visitor did last, as its code in the vocabulary; messages shown do not count."
    ),
    Feature("event_page", "code", "The kind of page it happened on; NaN if unknown."),
    # what and how much: this session
    Feature("session_events", "events", "Events in this session, messages not counted."),
    Feature("session_pages", "events", "Page views in this session."),
    Feature("session_views", "events", "Products viewed in this session."),
    Feature("session_lists", "events", "Product lists viewed or opened from in this session."),
    Feature("session_wishes", "events", "Products put on the wish list in this session."),
    Feature("session_carts", "events", "Products added to the cart in this session."),
    Feature("session_cart_views", "events", "Views of the cart in this session."),
    Feature("session_checkouts", "events", "Checkout steps taken in this session."),
    Feature("session_purchases", "events", "Purchases in this session."),
    Feature("session_reviews", "events", "Reviews read in this session."),
    Feature("session_chats", "events", "Chats opened and messages sent in this session."),
    # what and how much: before this session
    Feature("visitor_events", "events", "Events in earlier sessions, as far as the tail reaches."),
    Feature("visitor_views", "events", "Products viewed in earlier sessions."),
    Feature("visitor_carts", "events", "Products added to a cart in earlier sessions."),
    Feature("visitor_checkouts", "events", "Checkout steps taken in earlier sessions."),
    Feature("visitor_searches", "events", "Searches in earlier sessions."),
    # who
    Feature("visitor_known", "0/1", "Whether the visitor was identified (a user id) in any event of the tail."),
    Feature("visitor_sessions", "sessions", "Earlier sessions in the tail."),
    Feature("visitor_since_session_s", "s", "From the end of the session before to the start of this; NaN if none."),
    Feature("visitor_since_first_s", "s", "Since the first event in the tail."),
    Feature("visitor_purchases", "events", "Purchases in the tail, this session's included."),
    Feature("visitor_since_purchase_s", "s", "Since the last purchase; NaN if none."),
    Feature("visitor_spent", "money", "Value of the purchases in the tail; NaN if the value of any is unknown."),
    Feature("visitor_refunds", "events", "Refunds in the tail."),
    Feature("visitor_store_visits", "events", "Store visits in the tail."),
    Feature("visitor_email_clicks", "events", "E-mails opened or clicked in the tail."),
    # when
    Feature("session_age_s", "s", "Since this session began."),
    Feature("time_idle_s", "s", "Since the last event, messages not counted."),
    Feature("time_gap_last_s", "s", "Between the last two events of the session; NaN if fewer."),
    Feature("time_gap_mean_s", "s", "Mean time between the session's events: dwell; NaN if fewer than two."),
    Feature("time_gap_max_s", "s", "Longest time between two events of the session; NaN if fewer than two."),
    Feature("time_since_view_s", "s", "Since the last product view in the tail; NaN if none."),
    Feature("time_since_list_s", "s", "Since the last product list; NaN if none."),
    Feature("time_since_cart_s", "s", "Since the last add_to_cart; NaN if none."),
    Feature("time_since_checkout_s", "s", "Since the last checkout step; NaN if none."),
    Feature("time_pace_fast", "events", "Events of the session, fading with a time constant of 1 minute."),
    Feature("time_pace_slow", "events", "Events of the session, fading with a time constant of 10 minutes."),
    Feature("time_hour", "h", "Hour of the day, UTC."),
    Feature("time_weekday", "day", "Day of the week, Monday 0, UTC."),
    # what about: the session's products
    Feature("session_distinct_items", "items", "Different products touched in this session."),
    Feature("session_distinct_categories", "categories", "Different categories touched in this session."),
    Feature("session_returns", "events", "Views in this session of a product already viewed in it."),
    Feature("session_return_share", "share", "Those, of the session's product views; NaN if none."),
    Feature("session_earlier_items", "events", "Views in this session of a product viewed in an earlier session."),
    Feature("session_max_item_views", "events", "Views of the session's most viewed product."),
    Feature("session_category_switches", "events", "Times the category changed from one product view to the next."),
    Feature("session_category_run", "events", "Product views in a row in the current category; NaN if it is unknown."),
    Feature("session_price_mean", "money", "Mean price of the session's product views; NaN if none is known."),
    Feature("session_price_min", "money", "Lowest price among them."),
    Feature("session_price_max", "money", "Highest price among them."),
    Feature(
        "session_buy_lift",
        "nats",
        "Sum over the session's viewed products of the log of their viewers' rate of buying against the shop's.",
    ),
    Feature("session_cart_lift", "nats", "The same of carting."),
    # what about: the current product, the last one touched in this session
    Feature("item_session_views", "events", "Views of the current product in this session; NaN if there is none."),
    Feature("item_visitor_views", "events", "Views of the current product in the tail."),
    Feature("item_since_first_s", "s", "Since the current product was first touched in the tail."),
    Feature("item_price", "money", "Price of the current product."),
    Feature("item_price_to_session", "ratio", "Its price against the mean of the session's views."),
    Feature("item_price_to_category", "ratio", "Its price against its category's mean in the catalog."),
    Feature("item_views", "views", "Its popularity: everybody's views, fading with a half-life of 7 days."),
    Feature("item_cart_rate", "share", "Carts a view of it, everybody's, drawn to the shop's mean."),
    Feature("item_buy_rate", "share", "Units bought a view of it, everybody's, drawn to the shop's mean."),
    Feature("item_in_cart", "0/1", "Whether the current product is in the cart."),
    Feature("item_buy_lift", "nats", "Log of the rate at which sessions that viewed it then buy, against the shop's."),
    Feature("item_cart_lift", "nats", "The same of carting."),
    Feature("shop_buy_rate", "share", "The shop's own rate of buying, fading with a half-life of 1 day."),
    Feature("shop_cart_rate", "share", "The same of carting."),
    # cart and checkout
    Feature("cart_units", "units", "Units in the cart."),
    Feature("cart_items", "items", "Different products in the cart."),
    Feature("cart_value", "money", "Value of the cart; NaN if the price of any unit is unknown."),
    Feature("cart_removals", "events", "Removals from the cart in this session."),
    Feature("cart_age_s", "s", "Since the first product was put in the cart; NaN if it is empty."),
    Feature("cart_carried", "0/1", "Whether the cart was begun in an earlier session; NaN if it is empty."),
    Feature("cart_step", "step", "0 none, 1 checkout begun, 2 shipping, 3 payment; of this session, until a purchase."),
    # search
    Feature("search_count", "events", "Searches in this session."),
    Feature("search_refinements", "events", "Searches for something else straight after a search, in this session."),
    Feature("search_zero_results", "events", "Searches that found nothing, in this session."),
    Feature("search_since_s", "s", "Since the last search in the tail; NaN if none."),
    # friction
    Feature("friction_form_errors", "events", "Form errors in this session."),
    Feature("friction_payment_errors", "events", "Payment errors in this session."),
    Feature("friction_rage_clicks", "events", "Rage clicks in this session."),
    Feature("friction_returns_views", "events", "Views of the return policy in this session."),
    Feature("friction_delivery_views", "events", "Views of the delivery page in this session."),
    Feature("friction_since_s", "s", "Since the last form error, payment error or rage click; NaN if none."),
    # where from
    Feature("source_channel", "code", "Channel the session came by; NaN if unknown."),
    Feature("source_referrer", "code", "Class of the referrer the session came from; NaN if unknown."),
    Feature("source_device", "code", "Device; NaN if unknown."),
    Feature("source_landing_kind", "code", "The session's first event."),
    Feature("source_landing_page", "code", "The kind of page the session began on; NaN if unknown."),
    # courtesy: what we showed
    Feature("courtesy_session_shown", "events", "Messages shown in this session."),
    Feature("courtesy_session_clicked", "events", "Messages clicked in this session."),
    Feature("courtesy_session_dismissed", "events", "Messages dismissed in this session."),
    Feature("courtesy_30d_shown", "events", "Messages shown in the last 30 days."),
    Feature("courtesy_30d_clicked", "events", "Messages clicked in the last 30 days."),
    Feature("courtesy_30d_dismissed", "events", "Messages dismissed in the last 30 days."),
    Feature("courtesy_since_shown_s", "s", "Since a message was last shown; NaN if never."),
)

INDEX: Final[Mapping[str, int]] = {feature.name: i for i, feature in enumerate(FEATURES)}
N_FEATURES: Final = len(FEATURES)
FINGERPRINT: Final = hashlib.sha256("|".join(f.name for f in FEATURES).encode()).hexdigest()[:12]
