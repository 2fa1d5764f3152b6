// Models: what is live, its card, whether its probabilities come true, whether visitors changed, and the way back.
import { AsOf, Bar, Button, Card, Confirm, Empty, Lake, Page, Pill, Problem, Stat, Stats, Table, address, fmt, html, named, navigate, useEffect, useLake, useLoad, useState } from "./kit.js";
import { JobState, useJob } from "./jobs.js";

export default function Models({ route }) {
  const found = useLoad("models", {}, 15);
  const told = found.data;
  const id = route.rest[0] || told?.live;
  const bundle = told?.bundles.find((one) => one.id === id);
  const [asking, setAsking] = useState(null);
  const job = useJob(() => found.reload());
  const live = told?.live;
  const tools = told && html`${bundle && id !== live && html`<${Button} tone="primary" disabled=${job.busy} onClick=${() => setAsking("publish")}>Make it live …<//>`}
    ${told.before && html`<${Button} tone="danger" disabled=${job.busy} onClick=${() => setAsking("rollback_bundle")}>Roll back …<//>`}`;
  return html`<${Page} title="Models" lead="What the engine believes with, and whether it still holds." actions=${tools}>
    <${Problem} error=${found.error} title="The registry cannot be read" /><${JobState} job=${job} good="Done: running services take it up within a second or two." bad="Refused: what was live stays." />
    ${asking && html`<${Sure} what=${asking} id=${id} told=${told} onGo=${(why, force) => job.start(asking, { why, force, bundle: asking === "publish" ? id : "" })} onClose=${() => setAsking(null)} />`}
    ${told && !told.bundles.length && html`<${Card}><${Empty} title="No bundle is published"><p>Until there is one every decision is degraded. <code>tact train</code>, then <code>tact publish</code>.</p><//><//>`}
    ${told && told.bundles.length > 0 && !bundle && html`<${Card}><${Empty} title=${id ? "The registry has no such bundle" : "No bundle is live for this shop"}>${id && html`<p>There is none called <code class="wrap">${id}</code>. </p>`}<p>Those there are stand below.</p><//><//>`}
    ${bundle && html`<${One} key=${id} card=${bundle.card} id=${id} live=${id === live} />`}
    ${told && told.bundles.length > 0 && html`<${Bundles} told=${told} at=${id} /><${History} told=${told} />`}<//>`;
}

function Sure({ what, id, told, onGo, onClose }) {
  const until = (one) => { const day = told.bundles.find((bundle) => bundle.id === one)?.card.window?.until; return day ? ` (learned until ${fmt.day(Date.parse(day))})` : ""; };
  const back = what === "rollback_bundle";
  const text = back ? html`<p><code>${told.before}</code>${until(told.before)} serves again within seconds, without a judgement. <code>${told.live}</code>${until(told.live)}, live now, ends; it stays in the registry.</p>`
    : html`<p>The gate compares it with ${told.live ? html`<code>${told.live}</code>${until(told.live)}, live now,` : "the live one"} on later sessions, and refuses what is worse, leaky or suspicious. Only what passes goes live, within seconds; this takes a minute or so.</p>`;
  return html`<${Confirm} title=${back ? "Roll back to the bundle before?" : `Make bundle ${id} live?`} yes=${back ? "Roll back" : "Judge it, and make it live"} tone=${back ? "danger" : "primary"} text=${text}
    fields=${[{ id: "why", label: "Why (kept in the history and the audit log)", required: true, hint: back ? "fewer orders since it went live" : "trained on newer days" }]} onYes=${async ({ why }) => onGo(why || "")} onClose=${onClose} />`;
}

const LEVELS = { buy: "buys in this session", cart: "puts something into the cart", leave: "leaves now", help: "needs help next" };

function One({ card, id, live }) {
  const figures = card.figures || {};
  const stage = figures.stage || {};
  const columns = [
    { id: "intent", label: "Intent", cell: ([name]) => html`<span class="two">${named(name)}<span class="note">${LEVELS[name]}</span></span>` },
    { id: "auc", label: "AUC", num: true, title: "0.5 is chance, 1 is perfect", cell: ([, one]) => html`<span class="two">${fmt.dec(one.auc, 3)}<span class="note">${one.auc_ci ? `${fmt.dec(one.auc_ci[0], 3)} – ${fmt.dec(one.auc_ci[1], 3)}` : ""}</span></span>` },
    { id: "ap", label: "Average precision", num: true, cell: ([, one]) => html`<span class="two">${fmt.dec(one.average_precision, 3)}<span class="note">base rate ${fmt.pct(one.base_rate)}</span></span>` },
    { id: "ece", label: "Calibration error", num: true, title: "Expected calibration error: how far what is said is from what happens, on average", cell: ([, one]) => fmt.pct(one.ece) },
    { id: "n", label: "Judged on", num: true, cell: ([, one]) => html`<span class="two">${fmt.n(one.n)}<span class="note">${fmt.n(one.positives)} came true</span></span>` },
  ];
  return html`<${Stats}><${Stat} label="Bundle" value=${id} note=${live ? "live" : "not live"} tone=${live ? "good" : ""} />
      <${Stat} label="Learned from" value=${`${fmt.n(card.events)} events`} note=${`${fmt.n(card.sessions)} sessions, ${fmt.n(card.items)} products`} />
      <${Stat} label="Window" value=${card.window ? fmt.day(Date.parse(card.window.until)) : "–"} note=${card.window ? `from ${fmt.day(Date.parse(card.window.since))}` : ""} />
      <${Stat} label="Stages" value=${fmt.dec(stage.macro_f1, 3)} note=${`macro F1; log loss ${fmt.dec(stage.log_loss, 2)}`} /><//>
    <div class="columns"><div><${Card} flush title="How well it tells" note=${figures.on}><${Table} caption="Figures of the bundle" columns=${columns} rows=${Object.entries(figures.intent || {})} rowKey=${([name]) => name} /><//>
      <${Card} title="Known limits">${card.limits?.length ? html`<ul class="checks">${card.limits.map((limit) => html`<li>${limit}</li>`)}</ul>` : html`<p class="note">None is told.</p>`}<//></div>
      <div><${Importance} models=${card.models || {}} /></div></div>
    <${Calibration} id=${id} />${live && html`<${Drift} />`}`;
}

function Importance({ models }) {
  const names = Object.keys(models).filter((name) => Object.keys(models[name].importance || {}).length);
  const [at, setAt] = useState(names.includes("intent_buy") ? "intent_buy" : names[0]);
  if (!names.length) return null;
  const parts = Object.entries(models[at].importance).sort((a, b) => b[1] - a[1]).slice(0, 10);
  return html`<${Card} title="What it looks at" tools=${html`<select aria-label="Model" value=${at} onChange=${(event) => setAt(event.target.value)}>${names.map((name) => html`<option value=${name} selected=${name === at}>${name}</option>`)}</select>`}>
    ${parts.map(([name, share]) => html`<div class="share wide"><code>${name}</code><${Bar} share=${share / parts[0][1]} label=${`${name} ${fmt.pct(share)}`} /><span class="tabular">${fmt.pct(share, 0)}</span></div>`)}<p class="note above">Share of what the trees gained by splitting on it.</p><//>`;
}

function Calibration({ id }) {
  const found = useLake("calibration", { bundle: id }, 120);
  return html`<${Card} title="Do its probabilities come true?" note="on live decisions whose sessions have ended" tools=${html`<${AsOf} told=${found.told} />`}>
    <${Lake} of=${found} missing="Not known yet">${(answer) => html`<div class="columns even">${Object.entries(answer.intents).map(([name, one]) => html`<div><h3>${named(name)} <span class="note">${one.said == null ? `${fmt.n(one.n)} decisions judged` : `said ${fmt.pct(one.said)} on average, ${fmt.pct(one.happened)} came true`}</span></h3>
      ${one.bins.length ? html`<${Plot} bins=${one.bins} label=${`Calibration of ${name}`} />` : html`<${Empty} title="Too few to judge"><p>200 decisions in sessions that have ended are needed; there are ${fmt.n(one.n)}.</p><//>`}</div>`)}</div>
      <p class="note">Each dot is a tenth of ${fmt.n(answer.decisions)} decisions; the bar is the 95 % interval of what came true. On the line, what is said is what happens.</p>`}<//><//>`;
}

function Plot({ bins, label }) {
  const [w, h, left, bottom] = [420, 220, 44, 30];
  const top = Math.min(1, 1.05 * Math.max(...bins.map((bin) => Math.max(bin.said, bin.high))));
  const x = (value) => left + (value / top) * (w - left - 24);
  const y = (value) => h - bottom - (value / top) * (h - bottom - 10);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => top / one <= 5.5) || 0.25;
  const ticks = Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, at) => at * step);
  return html`<svg class="plot" viewBox="0 0 ${w} ${h}" role="img" aria-label=${label}>
    ${ticks.map((at) => html`<line class="grid" x1=${left} x2=${w - 24} y1=${y(at)} y2=${y(at)} /><text x=${left - 6} y=${y(at) + 4} text-anchor="end">${fmt.pct(at, 0)}</text><text x=${x(at)} y=${h - 10} text-anchor="middle">${fmt.pct(at, 0)}</text>`)}
    <line class="ideal" x1=${x(0)} y1=${y(0)} x2=${x(top)} y2=${y(top)} />
    ${bins.map((bin) => html`<g><title>${`said ${fmt.pct(bin.said)}, came true ${fmt.pct(bin.happened)} of ${fmt.n(bin.n)}`}</title><line class="range" x1=${x(bin.said)} x2=${x(bin.said)} y1=${y(bin.low)} y2=${y(bin.high)} /><circle cx=${x(bin.said)} cy=${y(bin.happened)} r="4" /></g>`)}</svg>`;
}

const LEVEL = { alert: "bad", watch: "warn", fine: "good", none: "" };

function Drift() {
  const job = useJob();
  const told = job.told?.told;
  const columns = [
    { id: "name", label: "What", cell: (row) => html`<code>${row.name}</code>` },
    { id: "psi", label: "PSI", num: true, title: "Population stability index", cell: (row) => fmt.dec(row.psi, 3) },
    { id: "level", label: "Level", cell: (row) => html`<${Pill} tone=${LEVEL[row.level] || ""}>${row.level}<//>` },
    { id: "words", label: "What moved most", cell: (row) => row.words || "" },
  ];
  const rows = told ? [...(told.scores || []), ...(told.features || [])].sort((a, b) => (b.level === "alert") - (a.level === "alert") || b.psi - a.psi).slice(0, 15) : [];
  return html`<${Card} title="Have visitors changed since training?" note="each feature and score against the training window" tools=${html`<${Button} disabled=${job.busy} onClick=${() => job.start("drift")}>${told ? "Compare again" : "Compare"}<//>`} flush=${rows.length > 0}>
    ${job.busy || job.error || (job.told && job.told.exit) ? html`<${JobState} job=${job} />` : null}
    ${!job.busy && rows.length ? html`<p class="note">${fmt.n(told.decisions)} decisions in ${fmt.n(told.sessions)} sessions; above 0.25 is an alert</p><${Table} caption="Drift" columns=${columns} rows=${rows} rowKey=${(row) => row.name} />` : !job.busy && !job.told && html`<p class="note">The comparison reads the decisions of the log; it takes some seconds.</p>`}<//>`;
}

function Bundles({ told, at }) {
  const columns = [
    { id: "id", label: "Bundle", cell: (row) => html`<a href=${address("models", [row.id])}><code>${row.id}</code></a>` },
    { id: "state", label: "", cell: (row) => html`${row.id === told.live && html`<${Pill} tone="good">live<//>`} ${row.id === at && html`<${Pill}>shown above<//>`}` },
    { id: "window", label: "Learned until", cell: (row) => (row.card.window ? fmt.day(Date.parse(row.card.window.until)) : "–") },
    { id: "events", label: "Events", num: true, cell: (row) => fmt.n(row.card.events) },
    { id: "auc", label: "AUC of buy", num: true, cell: (row) => fmt.dec(row.card.figures?.intent?.buy?.auc, 3) },
  ];
  return html`<${Card} flush title="Bundles in the registry" note=${fmt.n(told.bundles.length)}><${Table} caption="Bundles" columns=${columns} rows=${told.bundles} rowKey=${(row) => row.id} onRow=${(row) => navigate(address("models", [row.id]))} /><//>`;
}

function History({ told }) {
  const columns = [
    { id: "at", label: "When", cell: (row) => fmt.time(row.at_ms) }, { id: "what", label: "What", cell: (row) => named(row.action) },
    { id: "bundle", label: "Bundle", cell: (row) => html`<code>${row.bundle}</code>` }, { id: "by", label: "Who", cell: (row) => row.by }, { id: "why", label: "Why", cell: (row) => row.why || "–" },
  ];
  return html`<${Card} flush title="History" note="publications and rollbacks">${told.history.length ? html`<${Table} caption="History" columns=${columns} rows=${told.history} rowKey=${(row) => row.at_ms} />` : html`<${Empty} title="Nothing was published for this shop"><p>It is served with the bundle of the shop “default”.</p><//>`}<//>`;
}
