/* Tact's browser client. No dependency, no eval, no inline style. One tag:
 *   <script async src="/tact.js" data-key="pk_…" data-page='{"page_type":"product","item_id":"a1"}'></script>
 * Slots are elements with data-tact="PLACEMENT"; elements with data-tact-event='{"event":"add_to_cart",…}' report it
 * when clicked (forms: submitted). Fires "tact:decision" (detail: answer, ms) and "tact:chat" on document. It never
 * blocks and never hides the page: without an answer in time nothing is shown.
 */
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || !script.dataset.key || window.tact) return;

  const base = script.dataset.api || new URL(script.src).origin;
  const timeoutMs = Number(script.dataset.timeoutMs) || 1500;
  const idleS = Number(script.dataset.idleS) || 20;
  const page = JSON.parse(script.dataset.page || "{}");
  const headers = { "Content-Type": "application/json", "X-Tact-Key": script.dataset.key };
  const VISIBLE_MS = 1000;

  // what the browser remembers: an id of our own making and how this visit began; nothing if storage is closed to us
  const read = (store, name) => { try { return window[store].getItem(name); } catch { return null; } };
  const write = (store, name, value) => { try { window[store].setItem(name, value); } catch { /* closed: this page only */ } };
  const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  const parsed = (text, otherwise) => { try { return JSON.parse(text) || otherwise; } catch { return otherwise; } };

  let consent = parsed(read("localStorage", "tact.consent"), undefined);
  const mayKnow = () => !consent || consent.includes("personalization");
  let visitor = mayKnow() ? read("localStorage", "tact.visitor") : null;
  if (!visitor) {
    visitor = randomId();
    if (mayKnow()) write("localStorage", "tact.visitor", visitor);
  }

  const HOSTS = {
    search: /(^|\.)(google|bing|duckduckgo|ecosia|startpage|qwant|yahoo|yandex|baidu)\./,
    social: /(^|\.)(instagram|facebook|tiktok|youtube|pinterest|reddit|linkedin|x|twitter|t)\.(com|co|net)$/,
    mail: /(^|\.)(mail|outlook|gmail)\./,
  };
  const MEDIA = [[/e-?mail|newsletter/, "email"], [/cpc|ppc|paid|display|retarget/, "paid"], [/social|influencer/, "social"],
    [/affiliate|partner/, "partner"], [/organic/, "organic_search"], [/referral/, "referral"], [/store|qr/, "store"]];

  function cameFrom() {
    const query = new URLSearchParams(location.search);
    const host = document.referrer ? new URL(document.referrer).hostname : "";
    const tagged = `${query.get("utm_medium") || ""} ${query.get("utm_source") || ""}`.toLowerCase();
    const kept = parsed(read("sessionStorage", "tact.source"), null);
    if (["", location.hostname].includes(host) && !tagged.trim() && kept) return { ...kept, referrer: "internal" };
    const known = Object.keys(HOSTS).find((kind) => HOSTS[kind].test(host)) || "";
    const medium = MEDIA.find(([pattern]) => pattern.test(tagged));
    const byHost = { search: "organic_search", social: "social", mail: "email" }[known] || (host ? "referral" : "direct");
    const channel = medium ? medium[1] : byHost;
    const own = host === location.hostname ? "internal" : host ? "other" : "";
    const source = { channel, referrer: channel === "partner" ? "partner" : known || own };
    write("sessionStorage", "tact.source", JSON.stringify(source));
    return source;
  }

  const source = cameFrom();
  const touch = matchMedia("(pointer: coarse)").matches;
  const device = touch ? (Math.min(screen.width, screen.height) < 700 ? "mobile" : "tablet") : "desktop";
  const locale = page.locale || document.documentElement.lang || navigator.language;
  const common = { page_type: page.page_type, device, locale, ...source };
  const whole = (event) => ({ event_id: randomId(), ...common, ...event });

  function post(path, body, signal) {
    return fetch(base + path, { method: "POST", headers, body: JSON.stringify(body), keepalive: true, signal });
  }

  function send(events) {
    if (!events.length) return Promise.resolve();
    const body = { events: events.map((event) => ({ visitor_id: visitor, ...event })), consent };
    return post("/v1/events", body).catch(() => undefined); // the page goes on without us
  }

  const track = (event) => send([whole(event)]);

  // asking: once for all slots, with the events of this page
  const slots = () => {
    const found = new Map();
    for (const slot of document.querySelectorAll("[data-tact]")) {
      if (!found.has(slot.dataset.tact) && !slot.firstElementChild && !slot.dataset.tactClosed) found.set(slot.dataset.tact, slot);
    }
    return found;
  };

  async function decide(events = []) {
    const open = slots();
    const mine = events.map(whole);
    if (!open.size) return void send(mine);
    const { page_type, item_id, category, query, cart_item_ids } = page;
    const context = { page_type, item_id, category, query, cart_item_ids, device, locale, ...source, consent };
    if (consent && !consent.includes("analytics")) context.dismissed = dismissed().slice(-50); // nobody else remembers
    const body = { visitor_id: visitor, placements: [...open.keys()], context, events: mine };
    const started = performance.now();
    let answer;
    try {
      const response = await post("/v1/decisions", body, AbortSignal.timeout(timeoutMs));
      answer = response.ok ? await response.json() : null;
    } catch {
      return void send(mine); // they count once, also if the first request got through
    }
    if (!answer) return;
    const detail = { answer, ms: performance.now() - started };
    window.tact.last = detail; // for who starts listening later
    document.dispatchEvent(new CustomEvent("tact:decision", { detail }));
    for (const [placement, slot] of open) schedule(slot, placement, answer);
  }

  function schedule(slot, placement, answer) {
    const chosen = answer.placements[placement];
    if (!chosen || !chosen.action || dismissed().includes(chosen.action)) return;
    setTimeout(() => {
      if (!slot.firstElementChild && Date.now() < Date.parse(chosen.expires_at)) show(slot, placement, chosen, answer);
    }, 1000 * (chosen.show_after_s || 0));
  }

  const dismissed = () => parsed(read("sessionStorage", "tact.dismissed"), []);

  function show(slot, placement, chosen, answer) {
    const told = { action: chosen.action, placement, decision_id: answer.decision_id };
    const message = render(chosen);
    message.addEventListener("click", (event) => {
      if (event.target.closest(".tact-dismiss")) {
        track({ event: "dismiss_promotion", ...told });
        write("sessionStorage", "tact.dismissed", JSON.stringify([...dismissed(), chosen.action]));
        slot.dataset.tactClosed = "1";
        slot.replaceChildren();
      } else if (event.target.closest("a, .tact-cta")) {
        track({ event: "select_promotion", ...told });
        if (chosen.kind === "chat") {
          document.dispatchEvent(new CustomEvent("tact:chat"));
          slot.replaceChildren();
        }
      }
    });
    slot.append(message);
    seen(message, () => track({ event: "view_promotion", ...told }));
  }

  // shown: half of it in view for a second
  function seen(element, report) {
    let timer;
    const watch = new IntersectionObserver(([entry]) => {
      clearTimeout(timer);
      if (entry.isIntersecting) timer = setTimeout(() => { watch.disconnect(); report(); }, VISIBLE_MS);
    }, { threshold: 0.5 });
    watch.observe(element);
  }

  // default templates: text only, never markup from the answer
  function make(tag, classes, text, ...children) {
    const element = document.createElement(tag);
    if (classes) element.className = classes;
    if (text) element.textContent = text;
    element.append(...children.filter(Boolean));
    return element;
  }

  const safe = (url) => /^(https?:\/\/|\/(?!\/))/.test(url || "");
  const QUIET = ["badge", "recommend"];

  function link(classes, url, text, ...children) {
    const element = make("a", classes, text, ...children);
    element.href = url;
    return element;
  }

  function render({ kind, content, items, stores, reason }) {
    const message = make(kind === "recommend" ? "section" : "aside", `tact-message tact-${kind}`);
    const label = content.title || content.text || kind;
    message.setAttribute("aria-label", label);
    if (kind === "chat") message.setAttribute("role", "status");
    if (reason) message.title = reason;
    if (content.title) message.append(make("strong", "tact-title", content.title));
    if (content.text) message.append(make("span", "tact-text", content.text));
    if (stores) message.append(make("ul", "tact-stores", "", ...stores.map((s) => make("li", "", `${s.store}: ${s.stock} in stock`))));
    if (items) message.append(make("div", "tact-items", "", ...items.map(card)));
    if (content.cta && safe(content.url) && kind !== "chat") message.append(link("tact-cta", content.url, content.cta));
    else if (kind === "chat") message.append(button("tact-cta", content.cta || "Chat"));
    if (!QUIET.includes(kind)) message.append(dismissButton(label));
    return message;
  }

  function button(classes, text) {
    const element = make("button", classes, text);
    element.type = "button";
    return element;
  }

  function dismissButton(label) {
    const element = button("tact-dismiss", "×");
    element.setAttribute("aria-label", `Dismiss: ${label}`);
    return element;
  }

  function card(item) {
    const image = safe(item.image) ? make("img") : null;
    if (image) Object.assign(image, { src: item.image, alt: "", loading: "lazy", width: 200, height: 200 });
    const currency = { style: "currency", currency: page.currency || "EUR" };
    const price = item.price == null ? null : make("span", "tact-price", item.price.toLocaleString(locale, currency));
    const because = item.reason ? make("span", "tact-reason", item.reason) : null;
    return link("tact-item", safe(item.url) ? item.url : "#", "", image, make("span", "tact-name", item.title), price, because);
  }

  // what visitors do on the page
  for (const kind of ["click", "submit"]) {
    document.addEventListener(kind, (event) => {
      const from = event.target.closest("[data-tact-event]");
      if (from && (kind === "submit") === (from.tagName === "FORM")) track(parsed(from.dataset.tactEvent, {}));
    });
  }

  // a pause with something in the cart: ask once more for what is still empty
  if ((page.cart_item_ids || []).length) {
    let timer;
    const rest = () => { clearTimeout(timer); timer = setTimeout(() => { stop(); decide(); }, idleS * 1000); };
    const stop = () => MOVES.forEach((kind) => removeEventListener(kind, rest));
    const MOVES = ["pointerdown", "pointermove", "keydown", "scroll"];
    MOVES.forEach((kind) => addEventListener(kind, rest, { passive: true }));
    rest();
  }

  window.tact = {
    visitor, track, decide, last: null,
    consent(purposes) {
      consent = purposes;
      write("localStorage", "tact.consent", JSON.stringify(purposes));
    },
  };
  const start = () => decide(page.events || [{ event: "page_view" }]);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
