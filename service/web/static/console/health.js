// Health: rate, latency, degraded share, the stream's lag, Redis, and what is wrong in words.
import { Card, Chart, Empty, Page, Pill, Problem, Stat, Stats, Table, fmt, html, named, useLoad, useMemo, useRef } from "./kit.js";

const EVERY_S = 5;
const MINUTES = [15, 60];

export default function Health({ route, session }) {
  const found = useLoad("health", {}, EVERY_S);
  const told = found.data;
  return html`<${Page} title="Health" lead="Is everything answering, in time, and recorded?" actions=${told && html`<span class="note">as of ${fmt.clock(told.now_ms)}, every ${EVERY_S} s</span>`}>
    <${Problem} error=${found.error} title="Health cannot be read" />
    ${told ? html`<${Now} told=${told} session=${session} />` : !found.error && html`<p class="note">Loading …</p>`}<//>`;
}

function Now({ told, session }) {
  const rates = useRates(told);
  const store = told.store;
  const log = store.stream;
  const lost = told.now.sums.tact_receipts_lost_total;
  return html`<${Alerts} alerts=${told.alerts} />
    <${Stats} kind="four">
      <${Stat} label="Decisions" value=${rates ? `${fmt.dec(rates.decisions, rates.decisions < 10 ? 1 : 0)} /s` : "–"} note=${`${fmt.n(told.now.buckets.tact_decision_seconds["+Inf"] || 0)} since the start`} />
      <${Stat} label="Events" value=${rates ? `${fmt.dec(rates.events, rates.events < 10 ? 1 : 0)} /s` : "–"} note=${`${fmt.n(told.now.sums.tact_events_total)} since the start`} />
      <${Stat} label="Latency, middle" value=${ms(rates?.p50)} note="p50 of a decision" />
      <${Stat} label="Latency, slowest 1 %" value=${ms(rates?.p99)} note=${`p99; deadline ${told.deadline_ms} ms`} tone=${rates?.p99 > 0.05 ? "warn" : ""} />
      <${Stat} label="Degraded" value=${rates ? fmt.pct(rates.degraded) : "–"} note="of the decisions, last minutes" tone=${rates?.degraded > 0.01 ? "bad" : ""} />
      <${Stat} label="Not in the lake yet" value=${log ? fmt.n(log.unrecorded) : "–"} note=${log ? `entries; oldest ${fmt.span(log.lag_s)} behind` : "Redis does not answer"} tone=${log?.lag_s > 60 ? "warn" : ""} />
      <${Stat} label="Learner's snapshot" value=${told.live_age_s == null ? "none" : fmt.span(told.live_age_s)} note="old; a quiet shop's grows" />
      <${Stat} label="Redis memory" value=${store.ok ? fmt.bytes(store.used_bytes) : "–"} note=${store.ok ? (store.most_bytes ? `of ${fmt.bytes(store.most_bytes)}` : "no limit set") : store.detail} /><//>
    <${Charts} told=${told} />
    <div class="columns even"><${Because} told=${told} /><${Install} told=${told} session=${session} /></div>
    <p class="note foot">Rates and quantiles are of the last 5 minutes, over ${told.workers === 1 ? "the service process" : `all ${fmt.n(told.workers)} service processes`} of this install and all its shops. ${fmt.n(lost)} receipts were given up since the start. For alerts that wake somebody, use Prometheus: <a href="/metrics" target="_blank">/metrics</a> and <code>deploy/alerts.yaml</code>.</p>`;
}

const ms = (seconds) => (seconds == null ? "–" : fmt.ms(1000 * seconds));

function Alerts({ alerts }) {
  if (!alerts.length) return html`<div class="alert good" role="status"><strong>All is well.</strong> Nothing needs you now.</div>`;
  return alerts.map((one) => html`<div class=${`alert ${one.level}`} role="alert"><strong>${one.title}.</strong> <span class="note">What to do: ${one.action}.</span></div>`);
}

// Over the last minutes: from the first sample that is kept of them to now.
function useRates(told) {
  return useMemo(() => {
    const then = told.before;
    const seconds = (told.now_ms - then.at_ms) / 1000;
    if (seconds < 2) return null;
    const [was, is] = [then.buckets.tact_decision_seconds, told.now.buckets.tact_decision_seconds];
    const decided = (is["+Inf"] || 0) - (was["+Inf"] || 0);
    const grew = (name) => told.now.sums[name] - then.sums[name];
    if (decided < 0) return null;
    return { decisions: decided / seconds, events: grew("tact_events_total") / seconds, degraded: decided ? grew("tact_degraded_total") / decided : 0, p50: quantile(was, is, 0.5), p99: quantile(was, is, 0.99) };
  }, [told]);
}

function quantile(was, is, share) {
  const ends = Object.keys(is).sort((a, b) => (a === "+Inf") - (b === "+Inf") || a - b);
  const total = is["+Inf"] - (was["+Inf"] || 0);
  if (!total) return null;
  let [low, below] = [0, 0];
  for (const end of ends) {
    const count = is[end] - (was[end] || 0);
    if (count >= share * total) return end === "+Inf" ? low : low + ((end - low) * (share * total - below)) / Math.max(count - below, 1e-12);
    [low, below] = [Number(end), count];
  }
  return low;
}

function Charts({ told }) {
  const kept = useRef(null);
  if (!told.part) return html`<${Card}><${Empty} title="No charts: nobody keeps the last minutes"><p>The part <code>console</code> does not run. <code>tact serve</code> and <code>tact demo</code> run it.</p><//><//>`;
  const of = told.series;
  if (of.at_ms.length < 3) return html`<${Card}><${Empty} title="The charts begin in half a minute"><p>A sample is taken every 10 seconds, and kept for an hour.</p><//><//>`;
  const last = of.at_ms[of.at_ms.length - 1];
  if (!kept.current || kept.current.last !== last) {
    const line = (name, label, colour, fill) => ({ label, values: of[name], colour, fill });
    kept.current = { last, times: of.at_ms, rate: [line("decisions", "Decisions", "accent", "soft"), line("events", "Events", "muted")], latency: [line("p50", "Middle (p50)", "muted"), line("p99", "Slowest 1 % (p99)", "accent")], degraded: [line("degraded", "Degraded", "bad")] };
  }
  const { times, rate, latency, degraded } = kept.current;
  return html`<div class="columns three">
    <${Card} title="Rate" note="a second"><${Chart} times=${times} series=${rate} height=${150} unit=${(value) => fmt.dec(value, value < 10 ? 1 : 0)} label="Decisions and events a second over the last hour" /><//>
    <${Card} title="Latency of a decision"><${Chart} times=${times} series=${latency} height=${150} least=${0.005} unit=${(value) => fmt.ms(1000 * value)} label="Latency over the last hour" /><//>
    <${Card} title="Degraded share"><${Chart} times=${times} series=${degraded} height=${150} least=${0.01} unit=${(value) => fmt.pct(value, 1)} label="Degraded share over the last hour" /><//></div>`;
}

const GATES = { stopped: "stopped by hand", consent: "no consent", schedule: "not at this hour", stage: "another stage", rule: "its rule does not hold", rule_error: "its rule fails", cap: "shown often enough", cooldown: "dismissed before", rest: "ignored before", budget: "the session's budget is spent", truth: "the catalog does not bear it out", content: "no words or products", once: "on this page already", no_hope: "not worth more than silence here", fallback: "degraded, and no fallback" };
const WHY = { store: "Redis did not answer", deadline: "not in time", bundle: "no bundle", policy: "no policy", error: "a defect" };

function Because({ told }) {
  const by = told.now.by;
  const rows = [
    ...Object.entries(by.tact_degraded_total).map(([name, count]) => ["Decisions degraded", WHY[name] || name, count]),
    ...Object.entries(by.tact_events_not_stored_total).map(([name, count]) => ["Events not stored", name === "consent" ? "no consent (as it should be)" : WHY[name] || name, count]),
    ...Object.entries(by.tact_refused_total).map(([name, count]) => ["Refused", name, count]),
    ...Object.entries(by.tact_gate_closed_total).map(([name, count]) => ["Candidates blocked", GATES[name] || name, count]),
  ].filter(([, , count]) => count > 0).sort((a, b) => a[0].localeCompare(b[0]) || b[2] - a[2]);
  const columns = [{ id: "what", label: "What", cell: (row) => row[0] }, { id: "why", label: "Because", cell: (row) => row[1] }, { id: "count", label: "Times", num: true, cell: (row) => fmt.n(row[2]) }];
  return html`<${Card} flush title="Since the start" note="by reason">${rows.length ? html`<${Table} caption="Since the start, by reason" columns=${columns} rows=${rows} rowKey=${(row) => row[0] + row[1]} />` : html`<${Empty} title="Nothing degraded, refused or blocked" />`}<//>`;
}

function Install({ told, session }) {
  const { shop, store } = told;
  const refused = { ...told.refused, ...shop.refused };
  return html`<${Card} title="What is live" note=${session.shop}>
    <dl class="facts"><div><dt>Bundle</dt><dd>${shop.bundle ? html`<a href="/console/models"><code>${shop.bundle}</code></a>` : "none"}</dd></div><div><dt>Policy</dt><dd>${shop.policy ? html`<a href="/console/policy"><code>${shop.policy}</code></a>` : "none"}</dd></div>
      <div><dt>Products</dt><dd>${fmt.n(shop.products)}</dd></div><div><dt>Redis</dt><dd>${store.ok ? html`${store.version}, ${fmt.n(store.clients)} connections, round trip ${fmt.ms(store.ping_ms)}` : html`<span class="bad">does not answer</span>`}</dd></div>
      <div><dt>Stream</dt><dd>${store.ok ? `${fmt.n(store.stream.entries)} entries kept` : "–"}</dd></div><div><dt>Prompt streams</dt><dd>${fmt.n(told.now.sums.tact_prompt_streams)} open</dd></div></dl>
    ${Object.entries(refused).map(([what, why]) => html`<div class="alert warn above"><strong>${named(what)} refused; the one before stays live.</strong> ${why}</div>`)}
    ${(shop.warnings || []).map((why) => html`<p class="note above">${why}</p>`)}<//>`;
}
