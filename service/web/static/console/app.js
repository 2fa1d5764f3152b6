// The console's shell: who is logged in, the navigation, and the view that the address names.
import { render } from "../vendor/htm-preact.js";
import { Button, Empty, Page, Problem, get, html, navigate, post, useEffect, useRef, useRoute, useState, whoCame } from "./kit.js";
import { FIRST, GROUPS, VIEWS } from "./views.js";

const LOGIN = "/console/login";
const ICON = new URL("./icon.svg", import.meta.url).href;

function App() {
  const route = useRoute();
  const byLink = location.pathname === LOGIN && location.hash.length > 1;
  const [session, setSession] = useState(byLink || !whoCame ? undefined : whoCame.shop ? whoCame : null);
  const load = () => get("session").then((told) => setSession(told.shop ? told : null), () => setSession(null));
  useEffect(() => {
    const out = () => setSession(null);
    document.addEventListener("console:login", out);
    if (byLink) enter(location.hash.slice(1)).then(load, () => setSession(null));
    else if (session === undefined) load();
    return () => document.removeEventListener("console:login", out);
  }, []);
  useEffect(() => {
    if (session && (!route.view || route.view === "login")) navigate(`/console/${FIRST}`, { replace: true });
  }, [session, route.view]);
  if (session === undefined) return html`<p class="boot">Tact console</p>`;
  if (session === null) return html`<${Login} onIn=${load} />`;
  return html`<${Frame} route=${route} session=${session} />`;
}

async function enter(link) {
  history.replaceState(null, "", LOGIN); // the token opens the console once: it must not stay in the address
  try {
    await post("login", { link });
  } catch (error) {
    refused = error;
    throw error;
  }
}
let refused = null;

function Login({ onIn }) {
  const [key, setKey] = useState("");
  const [state, setState] = useState({ busy: false, error: refused });
  const field = useRef(null);
  useEffect(() => { document.title = "Log in · Tact"; field.current.focus(); }, []);
  const go = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await post("login", { key: key.trim() });
      onIn();
    } catch (error) {
      setState({ busy: false, error });
      field.current.focus();
    }
  };
  return html`<main class="login"><form class="card" onSubmit=${go}>
    <${Brand} /><h1>Log in</h1>
    <p>The console opens with the shop's secret key. It stays in this form: the browser keeps a session of 12 hours, not the key.</p>
    <label class="field wide"><span>Secret key</span><input ref=${field} type="password" autocomplete="current-password" spellcheck="false" placeholder="sk_…" required value=${key} onInput=${(event) => setKey(event.target.value)} /></label>
    <${Problem} error=${state.error} title=${state.error?.title?.replace(/\.$/, "") || "That did not work"} />
    <${Button} type="submit" tone="primary" disabled=${state.busy}>${state.busy ? "Logging in …" : "Log in"}<//>
    <p class="note">No key at hand? <code>tact console --link</code> prints a link that logs in once; <code>tact demo</code> prints one as it starts.</p>
  </form></main>`;
}

const Brand = () => html`<span class="brand"><img src=${ICON} alt="" width="24" height="24" /> Tact</span>`;

function Frame({ route, session }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [route]);
  const leave = async () => {
    await post("logout").catch(() => null);
    location.assign(LOGIN);
  };
  return html`<div class="frame"><a class="skip" href="#main">Skip to the content</a>
    <aside class="side ${open ? "open" : ""}"><div class="side-top"><${Brand} /><span class="shop" title="The shop of this session">${session.shop}</span>
      <button type="button" class="menu" aria-expanded=${open} aria-controls="nav" onClick=${() => setOpen(!open)}>${open ? "Close" : "Menu"}</button></div>
      <nav id="nav" aria-label="Views">${GROUPS.map(([group, views]) => html`<h2>${group}</h2><ul>${views.map(([id, name]) => html`
        <li><a href="/console/${id}" aria-current=${route.view === id ? "page" : undefined}>${name}</a></li>`)}</ul>`)}
        <div class="side-end"><a href="/docs" target="_blank" rel="noopener">API</a><button type="button" class="plain" onClick=${leave}>Log out</button></div></nav></aside>
    <main id="main" tabindex="-1"><${View} key=${route.view} route=${route} session=${session} /></main></div>`;
}

function View({ route, session }) {
  const found = Object.hasOwn(VIEWS, route.view) ? VIEWS[route.view] : null;
  const [loaded, setLoaded] = useState(parts[route.view] ? { Part: parts[route.view] } : null);
  useEffect(() => {
    if (found && !loaded) fetched(route.view).then((Part) => setLoaded({ Part }), (error) => setLoaded({ error }));
  }, [route.view]);
  if (!found) return route.view ? html`<${Page} title="Not here"><${Empty} title="There is no such view"><p>The navigation lists those there are.</p><//><//>` : null;
  if (!loaded) return html`<div class="working quiet"><span>Loading …</span></div>`;
  if (loaded.error) return html`<${Problem} error=${loaded.error} title="This view could not be loaded" />`;
  return html`<${loaded.Part} route=${route} session=${session} />`;
}

// Links within the console move without loading the page anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  if (link.target || link.download || url.origin !== location.origin || !/^\/console(\/|$)/.test(url.pathname) || url.hash) return;
  event.preventDefault();
  navigate(url.pathname + url.search);
  scrollTo(0, 0);
});

const parts = {};
const fetched = async (id) => (parts[id] ||= (await VIEWS[id].load()).default);

// The first view is there before anything is drawn, as is what came with the page: both are drawn at once.
const root = document.getElementById("app");
function start() {
  root.textContent = "";
  render(html`<${App} />`, root);
}
const first = location.pathname.split("/")[2] || FIRST;
if (Object.hasOwn(VIEWS, first) && whoCame?.shop) fetched(first).then(start, start);
else start();
