/* What a page tells others already, told to Tact too: data-listen="ga4 segment history" on the tag of tact.js loads this.
 *   ga4      e-commerce events and Consent Mode signals in the dataLayer, of gtag() and of the tag manager
 *   segment  analytics.track() with Segment's e-commerce names
 *   history  pushState and the back button are pages; <… data-tact-page='{"page_type":"product",…}'> describes them
 * Fields that Tact does not take are left out. What a page pushed before this ran is read, too.
 */
(() => {
  "use strict";
  const tact = window.tact;
  if (!tact || !tact.listen) return;
  const wanted = tact.listen.split(/[\s,]+/);

  const GA4 = ["view_item_list", "select_item", "view_item", "add_to_wishlist", "add_to_cart", "remove_from_cart", "view_cart", "begin_checkout",
    "add_shipping_info", "add_payment_info", "purchase", "refund", "search", "login", "sign_up"];
  const FIELDS = ["value", "currency", "tax", "shipping", "coupon", "transaction_id", "search_term", "item_list_id", "item_list_name", "payment_type"];
  const ITEM_FIELDS = ["item_id", "item_name", "item_brand", "item_category", "item_variant", "price", "quantity", "coupon", "discount", "index"];
  const NUMBERS = ["value", "tax", "shipping", "price", "quantity", "discount", "index"];

  // of an object what Tact takes; shops write numbers as text, and ids as numbers
  function pick(from, names) {
    const found = {};
    for (const name of names) {
      const value = from[name];
      if (value === undefined || value === null || value === "") continue;
      const told = NUMBERS.includes(name) ? Number(value) : String(value);
      if (told === told) found[name] = name === "quantity" ? Math.max(0, Math.round(told)) : told;
    }
    return found;
  }

  function report(event, fields = {}) {
    const told = { event, ...pick(fields, FIELDS) };
    const items = (fields.items || []).map((item) => pick(item, ITEM_FIELDS)).filter((item) => item.item_id).slice(0, 100);
    if (items.length) told.items = items;
    if (event === "purchase" && told.transaction_id) told.event_id = `purchase-${told.transaction_id}`;
    tact.track(told);
  }

  const SIGNALS = { analytics: "analytics_storage", personalization: "personalization_storage", marketing: "ad_personalization" };

  // Consent Mode: what a call does not name stays as it was, and counts as refused if nobody ever named it
  function consent(signals) {
    const before = tact.purposes || [];
    const granted = (purpose) => signals[SIGNALS[purpose]] ? signals[SIGNALS[purpose]] === "granted" : before.includes(purpose);
    tact.consent(Object.keys(SIGNALS).filter(granted));
  }

  // an entry of the dataLayer: gtag's arguments, or the tag manager's object
  function take(entry) {
    if (!entry) return;
    const [kind, name, fields] = entry.event ? ["event", entry.event, entry.ecommerce || entry] : Array.from(entry);
    if (kind === "event" && GA4.includes(name)) report(name, fields);
    if (kind === "consent" && fields && !(name === "default" && tact.purposes)) consent(fields);
  }

  function ga4() {
    const layer = window.dataLayer = window.dataLayer || [];
    const push = layer.push;
    layer.push = function (...entries) {
      const length = push.apply(this, entries);
      entries.forEach((entry) => { try { take(entry); } catch { /* the shop's own measuring goes on */ } });
      return length;
    };
    layer.slice().forEach((entry) => { try { take(entry); } catch { /* likewise */ } });
  }

  const SEGMENT = {
    "Product List Viewed": "view_item_list", "Product Clicked": "select_item", "Product Viewed": "view_item", "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart", "Product Added to Wishlist": "add_to_wishlist", "Cart Viewed": "view_cart",
    "Checkout Started": "begin_checkout", "Payment Info Entered": "add_payment_info", "Order Completed": "purchase",
    "Order Refunded": "refund", "Products Searched": "search", "Signed In": "login", "Signed Up": "sign_up",
  };
  const item = (p) => ({ item_id: p.product_id || p.sku, item_name: p.name, item_brand: p.brand, item_category: p.category, item_variant: p.variant, price: p.price, quantity: p.quantity });

  function segmentTold(name, properties = {}) {
    if (!SEGMENT[name]) return;
    const products = properties.products || (properties.product_id || properties.sku ? [properties] : []);
    const { order_id, query, total, value, revenue } = properties;
    const fields = { ...properties, items: products.map(item), transaction_id: order_id, search_term: query, value: value ?? total ?? revenue };
    report(SEGMENT[name], fields);
  }

  function segment() {
    const analytics = window.analytics = window.analytics || [];
    if (Array.isArray(analytics)) analytics.slice().forEach(([method, ...told]) => { if (method === "track") segmentTold(...told); });
    // before the library is there this is queued as its other calls are
    if (analytics.on) analytics.on("track", segmentTold);
  }

  function pushed() {
    const described = () => {
      try { return JSON.parse(document.querySelector("[data-tact-page]").dataset.tactPage); } catch { return {}; }
    };
    const soon = () => setTimeout(() => tact.page(described()));
    const push = history.pushState;
    history.pushState = function (...given) { push.apply(this, given); soon(); };
    addEventListener("popstate", soon);
  }

  if (wanted.includes("ga4")) ga4();
  if (wanted.includes("segment")) segment();
  if (wanted.includes("history")) pushed();
})();
