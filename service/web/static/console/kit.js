// What every view of the console is made of: calls, addresses, figures, small parts. No view knows another.
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";

export { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };

export const STAGES = ["awareness", "consideration", "evaluation", "hesitation", "purchase", "loyalty"];
export const PERIODS = [["1h", "Last hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["all", "All of the log"]];
const NOTHING = "–";

// ---- calls -------------------------------------------------------------------------------------------------------

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `The service answered ${status}.`);
    this.status = status;
    this.code = problem.code || "";
    this.title = problem.title || "";
    this.remedy = problem.remedy || "";
  }
}

async function call(method, path, body) {
  const init = { method, headers: {}, credentials: "same-origin" };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/console/api/${path}`, init);
  } catch {
    throw new Refused(0, { detail: "The service does not answer. Is it running?" });
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  if (answer.status === 401 && path !== "login") document.dispatchEvent(new CustomEvent("console:login"));
  throw new Refused(answer.status, told);
}

// What came with the page (service/console_ahead.py): each answer is for who asks the same first.
const sent = (() => { try { return JSON.parse(document.getElementById("ahead").textContent); } catch { return {}; } })();
const known = new Map((sent.answers || []).map(({ path, params, told }) => [keyOf(path, params), told]));
export function ahead(path, params) {
  const key = keyOf(path, params);
  const told = known.get(key);
  known.delete(key);
  return told;
}
export const whoCame = sent.session;
setTimeout(() => known.clear(), 5000); // what no view took by then is old

export const get = (path, params) => call("GET", path + query(params));
export const post = (path, body = {}) => call("POST", path, body);

function given(params) {
  return Object.entries(params || {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
}

function query(params) {
  const told = given(params);
  return told.length ? `?${new URLSearchParams(told)}` : "";
}

function keyOf(path, params) {
  return `${path}?${new URLSearchParams(given(params).sort())}`;
}

// Loads now, again when `path` or `params` change, and every `everyS` seconds while the page is seen.
export function useLoad(path, params = {}, everyS = 0) {
  const key = path + query(params);
  const [state, setState] = useState(() => {
    const data = ahead(path, params);
    return data === undefined ? { data: null, error: null, loading: true } : { data, error: null, loading: false, key };
  });
  const came = useRef(state.key);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let live = true;
    let timer = 0;
    const load = async () => {
      if (path === null) return;
      try {
        const data = await get(path, params);
        if (live) setState({ data, error: null, loading: false, key });
      } catch (error) {
        if (live) setState((before) => ({ data: before.key === key ? before.data : null, error, loading: false, key }));
      }
      if (live && everyS) timer = setTimeout(() => (document.hidden ? seen() : load()), 1000 * everyS);
    };
    const seen = () => document.addEventListener("visibilitychange", () => live && load(), { once: true });
    setState((before) => (before.key === key ? before : { data: null, error: null, loading: true, key }));
    if (came.current !== key) load();
    else if (everyS) timer = setTimeout(load, 1000 * everyS);
    came.current = null;
    return () => { live = false; clearTimeout(timer); };
  }, [key, everyS, again]);
  return { ...state, reload: () => setAgain((count) => count + 1) };
}

// A question about the lake: asks until it is answered, tells how far it is, and asks again while the answer is old.
export function useLake(name, params = {}, everyS = 30) {
  const key = name + query(params);
  const [state, setState] = useState(() => {
    const told = ahead(`lake/${name}`, params);
    return told ? { told, error: null, key } : { told: null, error: null, key: "" };
  });
  const came = useRef(state.told);
  useEffect(() => {
    let live = true;
    let timer = 0;
    const ask = async (wait) => {
      let next = everyS;
      try {
        const told = await get(`lake/${name}`, { ...params, wait_s: wait });
        if (!live) return;
        setState((before) => ({ told: told.state === "working" && before.key === key && before.told?.answer ? before.told : told, error: null, key }));
        next = told.state === "working" ? 0.2 : told.stale ? 2 : told.state === "away" ? 5 : everyS;
      } catch (error) {
        if (!live) return;
        setState((before) => ({ ...before, error, key }));
        if (error.status === 401) return;
      }
      timer = setTimeout(() => ask(1.5), 1000 * next);
    };
    setState((before) => (before.key === key ? before : { told: null, error: null, key }));
    if (came.current) timer = setTimeout(() => ask(1.5), 1000 * (came.current.stale ? 2 : everyS));
    else ask(0.6);
    came.current = null;
    return () => { live = false; clearTimeout(timer); };
  }, [key, everyS]);
  const told = state.key === key ? state.told : null;
  return { told, error: state.error, answer: told?.state === "done" ? told.answer : null };
}

// ---- addresses ---------------------------------------------------------------------------------------------------

export function navigate(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  document.dispatchEvent(new CustomEvent("console:moved"));
}

// A part of an address; one that somebody cut in the middle of a letter stays as it is.
const plain = (part) => { try { return decodeURIComponent(part); } catch { return part; } };

export function useRoute() {
  const [at, setAt] = useState(location.pathname + location.search);
  useEffect(() => {
    const moved = () => setAt(location.pathname + location.search);
    const events = [[window, "popstate"], [document, "console:moved"]];
    events.forEach(([target, name]) => target.addEventListener(name, moved));
    return () => events.forEach(([target, name]) => target.removeEventListener(name, moved));
  }, []);
  return useMemo(() => {
    const url = new URL(at, location.origin);
    const [, , view = "", ...rest] = url.pathname.split("/").map(plain);
    return { view, rest, params: Object.fromEntries(url.searchParams), path: url.pathname };
  }, [at]);
}

export function address(view, rest = [], params = {}) {
  return `/console/${[view, ...rest].map(encodeURIComponent).join("/")}${query(params)}`;
}

// The same page with other parameters; "" takes one away.
export function withParams(route, changes) {
  return address(route.view, route.rest, { ...route.params, ...changes });
}

// ---- figures -----------------------------------------------------------------------------------------------------

// As Intl has it in British English, whose formatters take a browser longer to make than most of our pages to draw.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"];
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
function digits(value, places) {
  const [before, after] = value.toFixed(places).split(".");
  return after ? `${grouped(before)}.${after}` : grouped(before);
}
const two = (value) => String(value).padStart(2, "0");
const at = (ms, told) => { const when = new Date(ms); return Number.isNaN(when.getTime()) ? NOTHING : told(when); };
const date = (when) => `${when.getDate()} ${MONTHS[when.getMonth()]}`;
const hour = (when) => `${two(when.getHours())}:${two(when.getMinutes())}`;
const clock = (when) => `${hour(when)}:${two(when.getSeconds())}`;
const minus = (text) => (/[1-9]/.test(text) ? text.replace("-", "−") : text.replace("-", "")); // no "−0"

export const fmt = {
  n: (value) => (isNumber(value) ? minus(digits(value, 0)) : NOTHING),
  dec: (value, places = 2) => (isNumber(value) ? minus(digits(value, places)) : NOTHING),
  pct: (value, places = 1) => (isNumber(value) ? `${minus(digits(100 * value, places))}\u00a0%` : NOTHING), // its sign stays with it
  rate: (count, of, places = 1) => (of ? fmt.pct(count / of, places) : NOTHING),
  signed: (value, places = 2) => {
    if (!isNumber(value)) return NOTHING;
    const text = digits(value, places);
    return (value > 0 && /[1-9]/.test(text) ? "+" : "") + minus(text);
  },
  money: (value, currency, places = 0) => (isNumber(value) ? `${minus(digits(value, places))} ${currency}` : NOTHING),
  ms: (value) => (!isNumber(value) ? NOTHING : value === 0 ? "0 ms" : value < 1 ? `${digits(1000 * value, 0)} µs` : value < 10 ? `${digits(value, 1)} ms` : value < 10000 ? `${digits(value, 0)} ms` : `${digits(value / 1000, 1)} s`),
  bytes: (value) => {
    if (!isNumber(value)) return NOTHING;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const step = value > 0 ? Math.min(4, Math.floor(Math.log2(value) / 10)) : 0;
    return `${digits(value / 1024 ** step, step ? 1 : 0)} ${units[step]}`;
  },
  span: (seconds) => {
    if (!isNumber(seconds)) return NOTHING;
    const steps = [[86400, "d"], [3600, "h"], [60, "min"]];
    const found = steps.find(([length]) => seconds >= length);
    return found ? `${Math.round(seconds / found[0])} ${found[1]}` : `${Math.round(seconds)} s`;
  },
  ago: (ms) => (isNumber(ms) ? (Date.now() - ms < 1500 ? "now" : `${fmt.span((Date.now() - ms) / 1000)} ago`) : NOTHING),
  time: (ms) => (isNumber(ms) ? at(ms, (when) => `${date(when)}, ${clock(when)}`) : NOTHING),
  minute: (ms) => (isNumber(ms) ? at(ms, (when) => `${date(when)}, ${hour(when)}`) : NOTHING),
  day: (ms) => (isNumber(ms) ? at(ms, (when) => `${date(when)} ${when.getFullYear()}`) : NOTHING),
  date: (ms) => at(ms, date),
  hour: (ms) => at(ms, hour),
  clock: (ms) => (isNumber(ms) ? at(ms, clock) : NOTHING),
};

export const named = (id) => (id || "").replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

// ---- parts -------------------------------------------------------------------------------------------------------

export function Page({ title, lead, actions, children }) {
  useEffect(() => { document.title = `${title} · Tact`; }, [title]);
  return html`<header class="head"><div><h1>${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
    ${actions && html`<div class="tools">${actions}</div>`}</header>${children}`;
}

export const Card = ({ title, note, tools, flush, children, kind = "" }) => html`<section class="card ${kind} ${flush ? "flush" : ""}">
  ${title && html`<div class="card-head"><h2>${title}</h2>${note && html`<span class="note">${note}</span>`}${tools && html`<span class="tools">${tools}</span>`}</div>`}${children}</section>`;

export const Stats = ({ kind = "", children }) => html`<dl class=${`stats ${kind}`}>${children}</dl>`;
export const Stat = ({ label, value, note, tone = "" }) => html`<div class="stat ${tone}"><dt>${label}</dt><dd>${value}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;

export const Pill = ({ tone = "", title, children }) => html`<span class="pill ${tone}" title=${title}>${children}</span>`;

export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<div>${children}</div>`}</div>`;

export function Problem({ error, title = "That did not work" }) {
  if (!error) return null;
  return html`<div class="alert bad" role="alert"><strong>${title}.</strong> ${error.message}${error.remedy && html`<span class="note"> ${error.remedy}</span>`}</div>`;
}

export const Button = ({ onClick, tone = "", disabled, type = "button", title, children }) =>
  html`<button type=${type} class="button ${tone}" disabled=${disabled} title=${title} onClick=${onClick}>${children}</button>`;

export const Progress = ({ step, share, elapsedMs }) => html`<div class="working" role="status">
  <progress max="1" value=${share > 0 ? share : undefined} aria-label=${step || "working"}></progress>
  <span>${named(step) || "Starting"} …${elapsedMs > 2000 && html` <span class="note">${fmt.span(elapsedMs / 1000)} so far</span>`}</span></div>`;

// What stands where a lake's answer will be: work under way, what is missing, or the answer, and how old it is.
export function Lake({ of, missing, children }) {
  const { told, error, answer } = of;
  if (error && !told) return html`<${Problem} error=${error} />`;
  if (!told) return html`<div class="working quiet" role="status"><span>Loading …</span></div>`;
  if (told.state === "working") return html`<${Progress} step=${told.step} share=${told.share} elapsedMs=${told.elapsed_ms} />`;
  if (told.state === "away") return html`<${Empty} title="Nobody reads the log right now"><p>${told.detail}.</p><//>`;
  if (told.state === "failed") return html`<div class="alert bad" role="alert"><strong>This question failed.</strong> ${told.detail} <span class="note">The log of the part <code>console</code> has the trace.</span></div>`;
  if (told.state === "unanswerable") return html`<${Empty} title=${missing || "Nothing to show yet"}><p>${told.detail}.</p><//>`;
  return children(answer);
}

export const AsOf = ({ told }) => told?.as_of_ms ? html`<span class="note as-of" title="Computed in ${fmt.ms(told.took_ms)}, off the serving path">${told.stale ? "updating; " : ""}as of ${fmt.clock(told.as_of_ms)}</span>` : null;

export const Select = ({ label, value, options, onChange }) => html`<label class="field"><span>${label}</span>
  <select value=${value} onChange=${(event) => onChange(event.target.value)}>${options.map(([id, name]) => html`<option value=${id} selected=${id === value}>${name}</option>`)}</select></label>`;

export const Period = ({ route, fallback = "all" }) => html`<${Select} label="Period" value=${route.params.period || fallback} options=${PERIODS}
  onChange=${(period) => navigate(withParams(route, { period: period === fallback ? "" : period }))} />`;

export function Tabs({ items, at, href, label }) {
  return html`<nav class="tabs" aria-label=${label}>${items.map(([id, name]) => html`<a href=${href(id)} aria-current=${id === at ? "page" : undefined}>${name}</a>`)}</nav>`;
}

// columns: {id, label, num?, title?, cell(row), sort?(row)}; on a phone each row becomes a card with its labels.
export function Table({ columns, rows, rowKey, sorted, caption, onRow }) {
  const [by, setBy] = useState(sorted || null);
  const column = by && columns.find((one) => one.id === by.id);
  const shown = useMemo(() => {
    if (!column?.sort) return rows;
    const value = (row) => column.sort(row) ?? -Infinity;
    return [...rows].sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (by.down ? -1 : 1));
  }, [rows, by]);
  const turn = (one) => setBy((before) => ({ id: one.id, down: before?.id === one.id ? !before.down : Boolean(one.num) }));
  return html`<div class="table-box"><table class="stack"><caption class="hidden">${caption}</caption><thead><tr>${columns.map((one) => html`
    <th scope="col" class=${one.num ? "num" : ""} title=${one.title} aria-sort=${by?.id === one.id ? (by.down ? "descending" : "ascending") : undefined}>
    ${one.sort ? html`<button type="button" class="sort" onClick=${() => turn(one)}>${one.label}</button>` : one.label}</th>`)}</tr></thead>
    <tbody>${shown.map((row) => html`<tr key=${rowKey(row)} class=${onRow ? "link" : ""} onClick=${onRow ? (event) => { if (!event.target.closest("a, button")) onRow(row); } : undefined}>
    ${columns.map((one, at) => html`<${at ? "td" : "th"} scope=${at ? undefined : "row"} class=${one.num ? "num" : ""} data-label=${one.label}>${one.cell(row)}<//>`)}</tr>`)}</tbody></table></div>`;
}

// A question before something changes. fields: [{id, label, hint?}]; onYes gets their values and may throw.
export function Confirm({ title, text, yes, tone = "danger", fields = [], onYes, onClose }) {
  const box = useRef(null);
  const [given, setGiven] = useState({});
  const [state, setState] = useState({ busy: false, error: null });
  useEffect(() => { box.current.showModal(); }, []);
  const go = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await onYes(given);
      onClose(true);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`<dialog ref=${box} class="dialog" onClose=${() => onClose(false)} aria-labelledby="confirm-title"><form onSubmit=${go}>
    <h2 id="confirm-title">${title}</h2><div class="dialog-text">${text}</div>
    ${fields.map((field) => html`<label class="field wide"><span>${field.label}</span><input type="text" maxlength="500" required=${field.required} placeholder=${field.hint} value=${given[field.id] || ""} onInput=${(event) => setGiven({ ...given, [field.id]: event.target.value })} /></label>`)}
    <${Problem} error=${state.error} />
    <div class="dialog-tools"><${Button} onClick=${() => box.current.close()}>Cancel<//><${Button} type="submit" tone=${tone} disabled=${state.busy}>${state.busy ? "Working …" : yes}<//></div></form></dialog>`;
}

// ---- pictures ----------------------------------------------------------------------------------------------------

export function Spark({ values, label, width = 96, height = 24 }) {
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(height - 2 - (height - 4) * value / most).toFixed(1)}`);
  if (values.length < 2) return html`<span class="note">–</span>`;
  return html`<svg class="spark" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${label}><polyline points=${points.join(" ")} /></svg>`;
}

// An interval on a line with its zero. scale: the largest distance from zero that is drawn.
export function Interval({ low, high, value, scale, tone = "", label, width = 132 }) {
  const middle = width / 2;
  const x = (at) => middle + Math.max(-1, Math.min(1, at / (scale || 1))) * (middle - 5);
  return html`<svg class="interval ${tone}" width=${width} height="18" viewBox="0 0 ${width} 18" role="img" aria-label=${label}>
    <line class="zero" x1=${middle} x2=${middle} y1="1" y2="17" /><line class="range" x1=${x(low)} x2=${x(high)} y1="9" y2="9" /><circle cx=${x(value)} cy="9" r="3.5" /></svg>`;
}

export const Bar = ({ share, label, tone = "" }) => html`<svg class="bar ${tone}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=${label}>
  <rect class="track" width="100" height="6" rx="1" /><rect width=${Math.max(0, Math.min(100, 100 * share))} height="6" rx="1" /></svg>`;

const loading = {};
// Scripts asked for together load together and run in the order of the asking.
export function script(name) {
  loading[name] ||= new Promise((done, failed) => {
    const element = document.createElement("script");
    Object.assign(element, { async: false, src: new URL(`../vendor/${name}`, import.meta.url).href, onload: done, onerror: () => failed(new Error(`${name} did not load`)) });
    document.head.append(element);
  });
  return loading[name];
}

// What Chart draws with. It takes longer to start than most views to draw, so it comes after their first picture.
const drawnOnce = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
// False until the first picture stands: for what lies far below it.
export function useLater() {
  const [later, setLater] = useState(false);
  useEffect(() => {
    let live = true;
    drawnOnce().then(() => live && setLater(true));
    return () => { live = false; };
  }, []);
  return later;
}
export const charts = () => (loading.charts ||= drawnOnce().then(() => script("uplot.js")));

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const LEGEND = 24; // px, of its one line below the plot
// A chart over time. times: Unix ms. series: {label, values, colour?: name of a CSS variable, dash?, fill?}; bands: [[upper, lower, colour]].
export function Chart({ times, series, bands = [], height = 200, unit = (value) => fmt.n(value), label, min = 0, least = 0 }) {
  const box = useRef(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setTheme((count) => count + 1);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  useLayoutEffect(() => {
    let plot = null;
    let watch = null;
    let live = true;
    charts().then(() => {
      if (!live || !box.current) return;
      const line = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      const options = {
        width: box.current.clientWidth, height,
        cursor: { y: false, points: { size: 6 } },
        legend: { live: true },
        scales: { x: { time: true }, y: { range: (_, low, high) => [min === null ? low - 0.08 * (high - low || 1) : Math.min(min, low), high > (min ?? low) ? high + 0.08 * (high - low || 1) : (least || (min ?? low) + 1)].map((end, at) => (at ? Math.max(end, least) : end)) } },
        axes: [{ ...line, size: 30, values: (_, ticks, __, ___, incr) => ticks.map((at) => (incr >= 86400 ? fmt.date(1000 * at) : incr < 60 ? fmt.clock(1000 * at) : fmt.hour(1000 * at))) }, { ...line, size: 62, values: (_, ticks) => ticks.map(unit) }],
        series: [{ value: (_, at) => (at == null ? "" : fmt.minute(1000 * at)) }, ...series.map((one) => ({
          label: one.label, stroke: colour(one.colour || "accent"), width: one.width ?? 1.8, dash: one.dash, points: { show: one.values.filter((value) => value !== null).length < 40, size: 4 },
          fill: one.fill ? colour(one.fill) : undefined, spanGaps: true, value: (_, at) => (at == null ? "" : unit(at)),
        }))],
        bands: bands.map(([upper, lower, name]) => ({ series: [upper + 1, lower + 1], fill: colour(name) })),
      };
      plot = new window.uPlot(options, [times.map((at) => at / 1000), ...series.map((one) => one.values)], box.current);
      watch = new ResizeObserver(() => plot.setSize({ width: box.current.clientWidth, height }));
      watch.observe(box.current);
    });
    return () => { live = false; watch?.disconnect(); plot?.destroy(); };
  }, [times, series, bands, height, theme]);
  return html`<div class="chart" ref=${box} style=${{ minHeight: `${height + LEGEND}px` }} role="img" aria-label=${label}></div>`;
}
