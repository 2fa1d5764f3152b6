/* Tact's browser client: no dependency, no eval, no inline style. docs/client.md has every attribute and call.
 *   <script async src="/tact.js" data-key="pk_…" data-page='{"page_type":"product","item_id":"a1"}'></script>
 * Slots are elements with data-tact="PLACEMENT"; elements with data-tact-event='{"event":"add_to_cart",…}' report it
 * when clicked (forms: submitted). It never blocks and never hides the page: without an answer in time nothing is shown.
 * Comments and indentation are left out when it is served (service/web/strip.py).
 */
(() => {
  "use strict";
  const script = document.currentScript;
  const data = script?.dataset;
  const early = window.tact || [];
  if (!data?.key || early.decide) return;

  const base = (data.api || new URL(".", script.src).href).replace(/\/$/, "");
  const timeoutMs = +data.timeoutMs || 1500;
  const idleMs = 1000 * (+data.idleS || 20);
  const address = new URLSearchParams(location.search);
  const token = address.get("tact_preview");

  const parsed = (text, otherwise) => { try { return JSON.parse(text) || otherwise; } catch { return otherwise; } };
  const randomId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => (b + 256).toString(16).slice(1)).join("");
  const on = (target, kinds, heard) => kinds.split(" ").forEach((kind) => target.addEventListener(kind, heard, { passive: true }));

  // what the browser remembers; nothing if its storage is closed to us
  const [LOCAL, SESSION] = ["localStorage", "sessionStorage"];
  const read = (store, name) => { try { return window[store].getItem("tact." + name); } catch { return null; } };
  // where it is closed: this page only
  const write = (store, name, value) => {
    try {
      if (value === null) window[store].removeItem("tact." + name);
      else window[store].setItem("tact." + name, value);
    } catch {}
  };

  // consent: undefined is what the policy assumes; a list names what was granted. Without it nothing is kept here
  let page = parsed(data.page, {});
  let consent = "consent" in data ? data.consent.split(/[\s,]+/).filter(Boolean) : undefined;
  consent = parsed(read(LOCAL, "consent"), consent);
  const mayKeep = () => !consent || consent.includes("analytics") || consent.includes("personalization");
  let visitor = (mayKeep() && read(LOCAL, "visitor")) || randomId();
  let source = cameFrom();
  remember();

  function remember() {
    write(LOCAL, "visitor", mayKeep() ? visitor : null);
    write(SESSION, "source", mayKeep() ? JSON.stringify(source) : null);
  }

  function setConsent(purposes) {
    const before = consent;
    consent = purposes;
    write(LOCAL, "consent", JSON.stringify(consent));
    remember();
    if (started && before?.includes("analytics") === false && consent.includes("analytics")) decide(events());
  }

  function cameFrom() {
    const HOSTS = {
      search: /(^|\.)(google|bing|duckduckgo|ecosia|startpage|qwant|yahoo|yandex|baidu)\./,
      social: /(^|\.)(instagram|facebook|tiktok|youtube|pinterest|reddit|linkedin|x|twitter|t)\.(com|co|net)$/,
      mail: /(^|\.)(mail|outlook|gmail)\./,
    };
    const MEDIA = {
      email: /e-?mail|newsletter/, paid: /cpc|ppc|paid|display|retarget/, social: /social|influencer/,
      partner: /affiliate|partner/, organic_search: /organic/, referral: /referral/, store: /store|qr/,
    };
    const which = (table, text) => Object.keys(table).find((kind) => table[kind].test(text)) || "";
    const host = document.referrer ? new URL(document.referrer).hostname : "";
    const tagged = `${address.get("utm_medium") || ""} ${address.get("utm_source") || ""}`.toLowerCase();
    const kept = parsed(read(SESSION, "source"));
    if (["", location.hostname].includes(host) && !tagged.trim() && kept) return { ...kept, referrer: "internal" };
    const known = which(HOSTS, host);
    const byHost = { search: "organic_search", social: "social", mail: "email" }[known] || (host ? "referral" : "direct");
    const channel = which(MEDIA, tagged) || byHost;
    const own = host === location.hostname ? "internal" : host ? "other" : "";
    return { channel, referrer: channel === "partner" ? "partner" : known || own };
  }

  const device = matchMedia("(pointer: coarse)").matches ? (Math.min(screen.width, screen.height) < 700 ? "mobile" : "tablet") : "desktop";
  const locale = () => (page.locale || document.documentElement.lang || navigator.language).replace("_", "-");
  const common = () => ({ page_type: page.page_type, device, locale: locale(), ...source });
  const whole = (event) => ({ event_id: randomId(), ...common(), ...event });
  const events = () => page.events || [{ event: "page_view" }];

  const post = (path, body, signal) =>
    fetch(base + path, { method: "POST", headers: { "Content-Type": "application/json", "X-Tact-Key": data.key }, body: JSON.stringify(body), keepalive: true, signal });

  // a preview is nobody's visit
  let quiet = !!token;
  function send(list) {
    if (!list.length || quiet) return;
    const body = { events: list.map((event) => ({ visitor_id: visitor, ...event })), consent };
    // the beacon outlives the page; the page goes on without us
    try { if (navigator.sendBeacon(`${base}/v1/events?key=${data.key}`, JSON.stringify(body))) return; } catch {}
    post("/v1/events", body).catch(() => {});
  }

  let started = false;
  const waiting = [];
  const track = (event) => started ? send([whole(event)]) : void waiting.push(event);

  // asking: once for all open slots, with the events of this page. when: the moment it is; a slot may wait for one
  let turn = 0;
  const closed = new Set();
  const refused = new Set(parsed(read(SESSION, "dismissed"), []));
  const timers = new Set();

  function open(when) {
    const found = new Map();
    for (const slot of document.querySelectorAll(token ? "[data-tact], [data-tact-live]" : "[data-tact]")) {
      const { tactLive, tact: name = tactLive, tactWhen = when } = slot.dataset;
      if (tactWhen === when && found.size < 20 && !found.has(name) && !slot.firstElementChild && !closed.has(slot)) found.set(name, slot);
    }
    return found;
  }

  async function decide(list = [], when = "load") {
    const slots = open(when);
    const mine = list.map(whole);
    const mineTurn = turn;
    if (!slots.size) return send(mine);
    const { page_type, item_id, category, query, cart_item_ids } = page;
    const context = { page_type, item_id, category, query, cart_item_ids, device, locale: locale(), ...source, consent };
    // nobody else remembers
    if (consent && !consent.includes("analytics")) context.dismissed = [...refused].slice(-50);
    const body = { visitor_id: visitor, placements: [...slots.keys()], context, events: mine };
    const began = performance.now();
    let answer;
    try {
      const [path, asked] = token ? ["/v1/preview/show", { preview: token, request: body }] : ["/v1/decisions", body];
      const response = await post(path, asked, AbortSignal.timeout(timeoutMs));
      answer = await response.json();
      // places that the policy has not, or has no more, keep the others from nothing
      const { unknown } = answer;
      if (unknown?.some((name) => slots.has(name))) return unknown.map((name) => closed.add(slots.get(name))), decide(mine, when);
      if (!response.ok) throw 0;
    } catch {
      // they count once, also if the first request got through
      return send(mine);
    }
    if (mineTurn !== turn) return;
    if (quiet = !!answer.preview) load("tact-preview.js");
    // for who starts listening later
    tact.last = { answer, ms: performance.now() - began };
    document.dispatchEvent(new CustomEvent("tact:decision", { detail: tact.last }));
    // look first, then change: a look after a change makes the browser lay out the page again
    const below = new Set([...slots.values()].filter((slot) => slot.getBoundingClientRect().top > innerHeight));
    for (const [name, slot] of slots) place(slot, name, answer.placements[name], answer.decision_id, below.has(slot));
  }

  function place(slot, placement, chosen, decision_id, below) {
    if (!chosen?.action || (refused.has(chosen.action) && !quiet)) {
      // out of sight: nothing moves
      if (below) closed.add(slot), slot.classList.add("tact-none");
      return;
    }
    // a machine that slept may wake when its time is over; a clock that is wrong is no reason, if it comes when it was due
    const lateMs = 1000 * (chosen.show_after_s || 0);
    const until = Math.max(Date.parse(chosen.expires_at) || 0, Date.now() + lateMs + 60000);
    const now = () => {
      if (!slot.firstElementChild && Date.now() < until) try { show(slot, placement, chosen, decision_id); } catch { slot.replaceChildren(); }
    };
    if (lateMs) timers.add(setTimeout(now, lateMs));
    else now();
  }

  function show(slot, placement, chosen, decision_id) {
    if (refused.has(chosen.action) && !quiet) return;
    const { action, kind } = chosen;
    const report = (event) => track({ event, action, placement, decision_id });
    const close = () => {
      if (slot.contains(document.activeElement)) slot.tabIndex = -1, slot.focus({ preventScroll: true });
      slot.close?.();
      closed.add(slot);
      slot.replaceChildren();
    };
    const dismiss = () => {
      report("dismiss_promotion");
      refused.add(action);
      write(SESSION, "dismissed", JSON.stringify([...refused]));
      close();
    };
    // read out when it comes, without taking the focus
    if (["chat", "bar"].includes(kind)) slot.setAttribute("role", "status");
    const own = tact.render?.(chosen, slot, report, dismiss);
    if (own !== true) slot.append(own?.nodeType ? own : template(chosen));
    const message = slot.firstElementChild || slot;
    on(message, "click", ({ target }) => {
      if (target.closest(".tact-dismiss")) return dismiss();
      if (!target.closest("a, .tact-cta")) return;
      report("select_promotion");
      if (kind !== "chat") return;
      document.dispatchEvent(new CustomEvent("tact:chat", { detail: chosen }));
      close();
    });
    on(message, "keydown", ({ key }) => { if (key === "Escape" && !slot.close && message.querySelector(".tact-dismiss")) dismiss(); });
    // the last resort: a dialog, which keeps the focus and gives it back
    if (slot.showModal) {
      slot.setAttribute("aria-label", chosen.content.title || chosen.content.text);
      slot.oncancel = dismiss;
      slot.showModal();
    }
    seen(message, () => report("view_promotion"));
  }

  // shown: half of it, or half a screen of it, in view for a second
  function seen(element, report) {
    let timer;
    const watch = new IntersectionObserver(([entry]) => {
      clearTimeout(timer);
      const much = entry.intersectionRatio >= 0.5 || entry.intersectionRect.height > innerHeight / 2;
      if (much) timer = setTimeout(() => { if (!document.hidden) watch.disconnect(), report(); }, 1000);
    }, { threshold: [0, 0.25, 0.5, 0.75] });
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

  const WORDS = {
    en: ["Dismiss", "in stock", "Chat"], nl: ["Sluiten", "op voorraad", "Chat"], de: ["Schließen", "auf Lager", "Chat"],
    fr: ["Fermer", "en stock", "Discuter"], es: ["Cerrar", "en stock", "Chat"],
  };
  const word = (at) => (page.words || WORDS[locale().slice(0, 2)] || WORDS.en)[at];
  const safe = (url) => /^(https?:\/\/|\/(?!\/))/.test(url || "");

  function link(classes, url, text, ...children) {
    const element = make("a", classes, text, ...children);
    if (safe(url)) element.href = url;
    return element;
  }

  function button(classes, text) {
    const element = make("button", classes, text);
    element.type = "button";
    return element;
  }

  function template({ kind, content, items, stores, reason }) {
    const message = make(items ? "section" : "div", `tact-message tact-${kind}`);
    const label = content.title || content.text || kind;
    message.setAttribute("role", items ? "region" : "note");
    message.setAttribute("aria-label", label);
    if (reason) message.title = reason;
    if (content.title) message.append(make("strong", "tact-title", content.title));
    if (content.text) message.append(make("span", "tact-text", content.text));
    if (stores) message.append(make("ul", "tact-stores", "", ...stores.map((s) => make("li", "", `${s.store}: ${s.stock} ${word(1)}`))));
    if (items) message.append(make("div", "tact-items", "", ...items.map(card)));
    if (kind === "chat") message.append(button("tact-cta", content.cta || word(2)));
    else if (content.cta && safe(content.url)) message.append(link("tact-cta", content.url, content.cta));
    if (!["badge", "recommend"].includes(kind)) {
      const dismiss = button("tact-dismiss", "×");
      dismiss.setAttribute("aria-label", `${word(0)}: ${label}`);
      message.append(dismiss);
    }
    return message;
  }

  function card({ image, price, reason, url, title }) {
    const picture = safe(image) && make("img");
    if (picture) Object.assign(picture, { loading: "lazy", width: 200, height: 200, alt: "", src: image });
    const money = { style: "currency", currency: page.currency || "EUR" };
    return link("tact-item", url, "", picture, make("span", "tact-name", title),
      price != null && make("span", "tact-price", price.toLocaleString(locale(), money)), reason && make("span", "tact-reason", reason));
  }

  // what visitors do on the page
  on(document, "click submit", ({ type, target }) => {
    const from = target.closest?.("[data-tact-event]");
    if (from && (type === "submit") === (from.tagName === "FORM")) track(parsed(from.dataset.tactEvent, {}));
  });

  // moments: a pause, or the pointer on its way out; each asks once a page for what is still empty
  let rest, past;
  function moment(when) {
    if (past.has(when) || !(document.querySelector(`[data-tact-when=${when}]`) || (when === "idle" && page.cart_item_ids?.length))) return;
    past.add(when);
    decide([], when);
  }
  const moved = () => (clearTimeout(rest), rest = setTimeout(moment, idleMs, "idle"));
  on(window, "pointerdown pointermove keydown scroll", moved);
  on(document, "mouseout", ({ relatedTarget, clientY }) => { if (!relatedTarget && clientY <= 0) moment("exit"); });

  // a page begins: the first, or in a single-page application the next
  function begin() {
    past = new Set();
    moved();
    const told = waiting.splice(0);
    decide(told.length && !page.events ? told : [...events(), ...told]);
  }
  function next(described) {
    turn++;
    page = described || {};
    timers.forEach(clearTimeout);
    closed.clear();
    for (const slot of document.querySelectorAll("[data-tact]")) slot.close?.(), slot.replaceChildren(), slot.classList.remove("tact-none");
    source = { ...source, referrer: "internal" };
    if (!mayKeep()) visitor = randomId();
    begin();
  }
  const load = (name) => new Promise((done) => {
    const other = make("script");
    other.nonce = script.nonce;
    other.onload = other.onerror = done;
    other.src = `${base}/${name}`;
    document.head.append(other);
    setTimeout(done, timeoutMs);
  });

  const tact = window.tact = {
    get visitor() { return visitor; }, track, decide, page: next, consent: setConsent, last: null, render: early.render, listen: data.listen || "",
    get purposes() { return consent; },
    show: (placement, chosen, decision_id) => {
      const slot = document.querySelector(`[data-tact="${placement}"], [data-tact-live="${placement}"]`);
      if (slot && !closed.has(slot)) place(slot, placement, chosen, decision_id);
    },
    // a call that there is not is told on the console, and stops nothing
    push: (...calls) => calls.forEach(async ([name, ...given]) => tact[name](...given)),
  };
  tact.push(...early);
  const parts = [document.readyState === "loading" && new Promise((done) => on(document, "DOMContentLoaded", done))];
  if (data.listen) parts.push(load("tact-adapters.js"));
  Promise.all(parts).then(() => {
    started = true;
    document.dispatchEvent(new CustomEvent("tact:ready"));
    begin();
  });
})();
