// A message as the visitor sees it.
import { Empty, Problem, html, useLoad } from "./kit.js";

export function Preview({ id }) {
  const found = useLoad(`actions/${encodeURIComponent(id)}`);
  if (found.error) return html`<${Problem} error=${found.error} title="No preview" />`;
  if (!found.data) return html`<p class="note">…</p>`;
  const content = Object.entries(found.data.content);
  if (!content.length) return html`<${Empty} title="It has no text" />`;
  return html`${content.map(([locale, text]) => html`<div class="told"><span class="note">${locale}</span><strong>${text.title}</strong><p>${text.text}</p>${text.cta && html`<span class="button">${text.cta}</span>`}</div>`)}`;
}
