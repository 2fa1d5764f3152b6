// A message as the visitor sees it: the client's own classes and style sheet (/tact.css), and a signed link to a page.
import { Button, Empty, Problem, Select, fmt, html, post, useEffect, useLoad, useState } from "./kit.js";

const DISMISSABLE = (kind) => !["badge", "recommend"].includes(kind);

export function Preview({ id }) {
  const found = useLoad(`actions/${encodeURIComponent(id)}`);
  const [locale, setLocale] = useState("");
  useEffect(style, []);
  if (found.error) return html`<${Problem} error=${found.error} title="No preview" />`;
  const told = found.data;
  if (!told) return html`<p class="note">…</p>`;
  const locales = Object.keys(told.content);
  const shown = locales.includes(locale) ? locale : locales[0];
  if (!shown) return html`<${Empty} title="It has no text" />`;
  return html`${locales.length > 1 && html`<${Select} label="Language" value=${shown} options=${locales.map((one) => [one, one])} onChange=${setLocale} />`}
    <div class="preview" lang=${shown}><${Message} kind=${told.kind} content=${told.content[shown]} items=${told.items} /></div>
    ${told.kind === "recommend" && html`<p class="note">The products are examples; each visitor's are chosen as the page is asked for.</p>`}
    <${OnPage} id=${id} placements=${told.placements} />`;
}

function style() {
  if (document.querySelector("link[href='/tact.css']")) return;
  const sheet = document.createElement("link");
  Object.assign(sheet, { rel: "stylesheet", href: "/tact.css" });
  document.head.append(sheet);
}

// As the client's template makes it; nothing in it can be used here.
function Message({ kind, content, items }) {
  const money = (price) => `€${fmt.dec(price)}`;
  return html`<div class=${`tact-message tact-${kind}`} inert>${content.title && html`<strong class="tact-title">${content.title}</strong>`}${content.text && html`<span class="tact-text">${content.text}</span>`}
    ${items?.length > 0 && html`<div class="tact-items">${items.map((item) => html`<span class="tact-item">${/^\/(?!\/)/.test(item.image) && html`<img src=${item.image} alt="" width="200" height="200" loading="lazy" />`}<span class="tact-name">${item.title}</span>${item.price != null && html`<span class="tact-price">${money(item.price)}</span>`}</span>`)}</div>`}
    ${(content.cta || kind === "chat") && html`<span class="tact-cta">${content.cta || "Chat"}</span>`}${DISMISSABLE(kind) && html`<span class="tact-dismiss" aria-hidden="true">×</span>`}</div>`;
}

function OnPage({ id, placements }) {
  const [placement, setPlacement] = useState(placements[0]);
  const [page, setPage] = useState(`${location.origin}/shop`);
  const [state, setState] = useState({});
  const go = async (event) => {
    event.preventDefault();
    try {
      setState({ told: await post("preview", { action: id, placement, url: page }) });
    } catch (error) {
      setState({ error });
    }
  };
  return html`<form class="on-page" onSubmit=${go}><h3>On a page of the shop</h3><p class="note">A signed link, good for an hour, shows it to its holder only. Nothing is counted.</p>
    ${placements.length > 1 && html`<${Select} label="Placement" value=${placement} options=${placements.map((one) => [one, one])} onChange=${setPlacement} />`}
    <label class="field wide"><span>Page</span><input type="url" required value=${page} onInput=${(event) => setPage(event.target.value)} /></label>
    <${Problem} error=${state.error} /><${Button} type="submit">Make the link<//>
    ${state.told && html`<p class="above wrap"><a href=${state.told.url} target="_blank" rel="noopener">Open the page with it</a> <span class="note">until ${fmt.hour(Date.parse(state.told.expires_at))}</span></p>`}</form>`;
}
