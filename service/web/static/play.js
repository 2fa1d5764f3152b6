/* The beginning of a scripted journey: a new visitor, with a past if the journey has one. No client of Tact runs here. */
(async () => {
  "use strict";
  const { key, journey: text } = document.currentScript.dataset;
  const journey = JSON.parse(text);
  const visitor = `journey-${journey.id}-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  for (const store of [localStorage, sessionStorage]) {
    Object.keys(store).filter((name) => name.startsWith("tact.") || name === "shop.before").forEach((name) => store.removeItem(name));
  }
  localStorage.setItem("tact.visitor", visitor);
  const now = Date.now();
  const events = (journey.past || []).map(({ ago_s, event }) => ({ ...event, visitor_id: visitor, ts: now - 1000 * ago_s }));
  if (events.length) {
    const headers = { "Content-Type": "application/json", "X-Tact-Key": key };
    await fetch("/v1/events", { method: "POST", headers, body: JSON.stringify({ events }) }).catch(() => undefined);
  }
  const [first, ...steps] = journey.steps;
  sessionStorage.setItem("shop.journey", JSON.stringify({ name: journey.name, first: first.say, steps, at: 0 }));
  location.replace(first.at);
})();
