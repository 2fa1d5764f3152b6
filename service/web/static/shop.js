/* The demo shop's own behaviour: the chat panel and the drawer "What Tact sees". The shop works without it. */
(() => {
  "use strict";
  const make = (tag, classes, text) => {
    const element = document.createElement(tag);
    if (classes) element.className = classes;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  function toggle(id, open) {
    const panel = document.getElementById(id);
    panel.hidden = !open;
    document.querySelectorAll(`[data-open="${id}"]`).forEach((button) => button.setAttribute("aria-expanded", String(open)));
    if (id === "sees") {
      // the server then renders the next page with it, so that nothing moves
      document.cookie = `shop_sees=${open ? 1 : 0}; path=/shop; max-age=31536000; samesite=lax`;
      document.body.classList.toggle("with-sees", open);
    }
    if (open && id === "chat") panel.querySelector("input").focus();
    if (open && id === "sees" && latest) {
      tell(latest, explained);
      unexplained.forEach((one) => explain(one));
    }
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    const closer = event.target.closest("[data-close]");
    if (opener) toggle(opener.dataset.open, document.getElementById(opener.dataset.open).hidden);
    if (closer) toggle(closer.dataset.close, false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") ["chat", "sees"].forEach((id) => toggle(id, false));
  });
  document.addEventListener("tact:chat", () => {
    toggle("chat", true);
    window.tact?.track({ event: "chat_open" });
  });

  document.querySelector("#chat form").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = event.target.elements.text;
    const talk = document.querySelector("#chat .talk");
    if (!input.value.trim()) return;
    talk.append(make("p", "me", input.value), make("p", "them", "This is a demonstration: nobody reads along. A real shop answers here."));
    input.value = "";
    talk.scrollTop = talk.scrollHeight;
  });

  const percent = (share) => `${Math.round(share * 100)} %`;
  const kept = (name) => { try { return JSON.parse(sessionStorage.getItem(name)) || {}; } catch { return {}; } };
  const keep = (name, value) => { try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* storage closed */ } };

  // how far a share moved since the page before, in points of a percent
  function moved(before, share) {
    const points = before === undefined ? 0 : Math.round(100 * share) - Math.round(100 * before);
    if (!points) return make("span", "moved", "");
    const mark = make("span", `moved ${points > 0 ? "up" : "down"}`, `${points > 0 ? "▲" : "▼"} ${Math.abs(points)}`);
    mark.title = `${Math.abs(points)} points ${points > 0 ? "more" : "less"} than on the page before`;
    return mark;
  }

  function meters(title, shares, before, current) {
    const group = make("dl", "meters");
    for (const [name, share] of Object.entries(shares)) {
      const meter = make("meter");
      Object.assign(meter, { min: 0, max: 1, value: share });
      meter.setAttribute("aria-label", `${title} ${name}`);
      const value = make("dd");
      value.append(meter, make("span", "share", percent(share)), moved(before[name], share));
      group.append(make("dt", name === current ? "now" : "", name), value);
    }
    return group;
  }

  const SILENCES = {
    silence: "nothing was worth the interruption", no_candidate: "nothing fits this moment", explored: "chosen to learn",
    holdout: "this visitor is in the holdout and sees nothing", degraded: "too little is known to interrupt",
  };

  // a placement, and once they are told the gates of what was considered for it
  function describe(placement, chosen, candidates) {
    const row = make("li", chosen.action ? "said" : "silent");
    row.append(make("code", "", placement), make("b", "", chosen.action || "silence"));
    const late = chosen.show_after_s ? `after ${chosen.show_after_s} s` : "";
    const about = [chosen.kind, late, SILENCES[chosen.reason] || chosen.reason].filter(Boolean);
    if (about.length) row.append(make("span", "small", about.join(" · ")));
    if (candidates && candidates.length) row.append(considered(candidates, chosen.action));
    return row;
  }

  const GATES = {
    stage: "another stage", rule: "its rule does not hold", consent: "no consent", schedule: "not at this hour", cap: "shown often enough",
    cooldown: "dismissed lately", claim: "its claim is not true now", once: "stands elsewhere on the page", no_hope: "can win no draw",
  };

  function considered(candidates, winner) {
    const box = make("details");
    const open = candidates.filter((one) => !one.gate).length;
    box.append(make("summary", "", `${candidates.length} considered, ${open} allowed`));
    const list = make("ul", "gates");
    for (const one of candidates) {
      const line = make("li", one.action === winner ? "won" : one.gate ? "shut" : "");
      const why = one.gate ? `${one.gate}: ${GATES[one.gate] || one.detail}` : `${percent(one.share || 0)} of draws`;
      line.append(make("span", "", one.action), make("span", "small", why));
      if (one.detail) line.title = one.detail;
      list.append(line);
    }
    box.append(list);
    return box;
  }

  function tell({ answer, ms }, told = {}) {
    const body = document.getElementById("sees-body");
    const placements = make("ul", "placements");
    const open = [...body.querySelectorAll("details[open]")].map((box) => box.closest("li").querySelector("code").textContent);
    for (const [placement, chosen] of Object.entries(answer.placements)) {
      const row = describe(placement, chosen, told[placement]);
      if (open.includes(placement) && row.querySelector("details")) row.querySelector("details").open = true;
      placements.append(row);
    }
    const late = answer.degraded ? ` · degraded: ${answer.degraded_because}` : "";
    const took = ms === null ? "Decided when the moment came" : `Decided and delivered in ${ms.toFixed(0)} ms`;
    const parts = [make("p", "took", took + late)];
    const before = kept("shop.before");
    if (answer.stage) parts.push(make("h3", "", `Stage: ${answer.stage.name}`), meters("Stage", answer.stage.probabilities, before.stage || {}, answer.stage.name));
    if (answer.intent) parts.push(make("h3", "", "Intents"), meters("Intent", answer.intent, before.intent || {}));
    parts.push(make("h3", "", "Placements"), placements, make("p", "small", `Decision ${answer.decision_id} · bundle ${answer.bundle} · policy ${answer.policy}`));
    body.replaceChildren(...parts);
  }

  // the page's decisions, put together; each receipt is written behind its answer, and a moment later tells the gates
  let latest;
  let explained = {};
  const unexplained = new Set();
  async function explain(id, tries = 3) {
    unexplained.add(id);
    await new Promise((done) => setTimeout(done, 250));
    if (document.getElementById("sees").hidden) return;
    const answer = await fetch(`/shop/why/${id}`).catch(() => null);
    if (answer?.status === 200) {
      unexplained.delete(id);
      explained = { ...explained, ...await answer.json() };
      tell(latest, explained);
    } else if (tries > 1) explain(id, tries - 1);
  }

  function heard({ answer, ms }) {
    const placements = { ...(latest ? latest.answer.placements : {}), ...answer.placements };
    latest = { ms: ms === null && latest ? latest.ms : ms, answer: { ...answer, placements } };
    if (!document.getElementById("sees").hidden) tell(latest, explained);
    if (!answer.preview) explain(answer.decision_id);
  }
  addEventListener("pagehide", () => {
    if (latest?.answer.stage) keep("shop.before", { stage: latest.answer.stage.probabilities, intent: latest.answer.intent });
  });
  document.addEventListener("tact:decision", ({ detail }) => heard(detail));
  if (window.tact?.last) heard(window.tact.last); // it answered before this script ran
  document.addEventListener("tact:ready", () => listen());

  // prompts come over a stream of their own when their moment comes; a page nobody looks at needs none
  let stream;
  function listen() {
    const { visitor, purposes } = window.tact || {};
    if (stream || !visitor || document.hidden || !document.querySelector("[data-tact-live]")) return;
    if (new URLSearchParams(location.search).has("tact_preview")) return; // nobody's visit
    const told = JSON.parse(document.querySelector("script[data-page]").dataset.page);
    const query = new URLSearchParams({ visitor_id: visitor, key: document.querySelector("script[data-key]").dataset.key, locale: "en", page_type: told.page_type, watch: true });
    if (purposes) query.set("consent", purposes.join(","));
    stream = new EventSource(`/v1/prompts?${query}`);
    stream.addEventListener("prompt", ({ data }) => {
      const { decision_id, ...prompt } = JSON.parse(data);
      window.tact.show("global.chat", prompt, decision_id);
    });
    // what was decided beside it moves the drawer: stage and intents follow every event, not only every page
    stream.addEventListener("decision", ({ data }) => {
      const answer = JSON.parse(data);
      document.dispatchEvent(new CustomEvent("shop:decision", { detail: answer }));
      heard({ answer, ms: null });
    });
  }
  function hang() {
    if (stream) stream.close();
    stream = null;
  }
  document.addEventListener("visibilitychange", () => document.hidden ? hang() : listen());
  addEventListener("pagehide", hang);

  listen(); // if the client was there first

  // a changed number of units is told as what was added or taken out
  document.addEventListener("submit", ({ target }) => {
    if (!target.matches("form.units")) return;
    const more = Number(target.elements.namedItem("units").value) - Number(target.dataset.units);
    const item = { ...JSON.parse(target.dataset.item), quantity: Math.abs(more) };
    if (more) target.dataset.tactEvent = JSON.stringify({ event: more > 0 ? "add_to_cart" : "remove_from_cart", items: [item] });
  }, { capture: true });
})();
