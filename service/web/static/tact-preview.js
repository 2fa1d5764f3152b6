/* The overlay of a signed preview: what is shown to nobody else, and why it would or would not have been chosen.
 * Loaded by /tact.js only for a page that a preview was answered for. Its looks are in /tact.css.
 */
(() => {
  "use strict";
  if (document.querySelector(".tact-debug")) return;
  const make = (tag, text, classes) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (classes) element.className = classes;
    return element;
  };
  const percent = (share) => `${Math.round(100 * share)} %`;

  function facts(pairs) {
    const list = make("dl");
    for (const [name, value] of pairs) list.append(make("dt", name), make("dd", value));
    return list;
  }

  function candidates(told, current) {
    const table = make("table");
    const head = make("tr");
    ["message", "chosen", "what stands against it"].forEach((name) => { const cell = make("th", name); cell.scope = "col"; head.append(cell); });
    table.append(head);
    for (const { action, gate, detail, share } of told) {
      const row = make("tr", undefined, action === current ? "tact-debug-this" : "");
      row.append(make("td", action), make("td", gate ? "no" : percent(share || 0)), make("td", gate ? `${gate}: ${detail}` : "nothing"));
      table.append(row);
    }
    return table;
  }

  function tell({ answer, ms }) {
    const { preview, stage, intent } = answer;
    if (!preview) return;
    const panel = make("aside", undefined, "tact-debug");
    panel.setAttribute("aria-label", "Preview");
    const here = document.querySelector(`[data-tact="${CSS.escape(preview.placement)}"], [data-tact-live="${CSS.escape(preview.placement)}"]`);
    if (here) here.classList.add("tact-previewed");
    const until = new Date(preview.expires_at).toLocaleString();
    const details = make("details");
    details.open = innerWidth > 700;
    details.append(make("summary", `Preview: ${preview.action}`));
    details.append(make("p", here ? "Only you see this message. Nothing on this page is counted." : `This page has no slot ${preview.placement}.`));
    details.append(facts([["placement", preview.placement], ["link good until", until], ["answered in", `${Math.round(ms)} ms`],
      ["stage", stage ? `${stage.name}, ${percent(stage.probabilities[stage.name])}` : "not known"],
      ["intents", intent ? Object.entries(intent).map(([name, share]) => `${name} ${percent(share)}`).join(" · ") : "not known"]]));
    const told = preview.candidates[preview.placement] || [];
    const considered = make("details");
    considered.append(make("summary", `${told.length} messages considered there`), candidates(told, preview.action));
    details.append(considered);
    const close = make("button", "×", "tact-dismiss");
    close.type = "button";
    close.setAttribute("aria-label", "Close the preview's panel");
    close.addEventListener("click", () => panel.remove());
    panel.append(details, close);
    document.querySelectorAll(".tact-debug").forEach((old) => old.remove());
    document.body.append(panel);
  }

  document.addEventListener("tact:decision", ({ detail }) => tell(detail));
  if (window.tact && window.tact.last) tell(window.tact.last);
})();
