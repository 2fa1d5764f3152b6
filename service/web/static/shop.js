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
    if (id === "sees") try { localStorage.setItem("shop.sees", open ? "1" : ""); } catch { /* storage closed */ }
    if (open && id === "chat") panel.querySelector("input").focus();
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

  function meters(title, shares, current) {
    const group = make("dl", "meters");
    group.setAttribute("aria-label", title);
    for (const [name, share] of Object.entries(shares)) {
      const meter = make("meter");
      Object.assign(meter, { min: 0, max: 1, value: share });
      const value = make("dd");
      value.append(meter, make("span", "", percent(share)));
      group.append(make("dt", name === current ? "now" : "", name), value);
    }
    return group;
  }

  const SILENCES = {
    silence: "nothing was worth the interruption", no_candidate: "nothing fits this moment", explored: "chosen to learn",
    holdout: "this visitor is in the holdout and sees nothing", degraded: "too little is known to interrupt",
  };

  function describe(placement, chosen) {
    const row = make("li", chosen.action ? "said" : "silent");
    row.append(make("code", "", placement), make("b", "", chosen.action || "silence"));
    const late = chosen.show_after_s ? `after ${chosen.show_after_s} s` : "";
    const about = [chosen.kind, late, SILENCES[chosen.reason] || chosen.reason].filter(Boolean);
    if (about.length) row.append(make("span", "small", about.join(" · ")));
    return row;
  }

  function tell({ answer, ms }) {
    const body = document.getElementById("sees-body");
    const placements = make("ul", "placements");
    for (const [placement, chosen] of Object.entries(answer.placements)) placements.append(describe(placement, chosen));
    const parts = [make("p", "small", `Decided and delivered in ${ms.toFixed(0)} ms${answer.degraded ? ` · degraded: ${answer.degraded_because}` : ""}`)];
    if (answer.stage) parts.push(make("h3", "", `Stage: ${answer.stage.name}`), meters("Stage", answer.stage.probabilities, answer.stage.name));
    if (answer.intent) parts.push(make("h3", "", "Intents"), meters("Intents", answer.intent));
    parts.push(make("h3", "", "Placements"), placements, make("p", "small", `Decision ${answer.decision_id} · bundle ${answer.bundle} · policy ${answer.policy}`));
    body.replaceChildren(...parts);
  }

  document.addEventListener("tact:decision", ({ detail }) => tell(detail));
  if (window.tact?.last) tell(window.tact.last); // it answered before this script ran

  try {
    if (localStorage.getItem("shop.sees")) toggle("sees", true);
  } catch { /* storage closed: the drawer stays shut */ }
})();
