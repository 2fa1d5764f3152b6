// Decisions: the latest as they come, a search over the log, and one told as a story.
import { AsOf, Bar, Button, Card, Empty, Lake, Page, Pill, Problem, STAGES, Select, Table, address, ahead, fmt, get, html, named, navigate, post, useEffect, useLake, useLoad, useRef, useState, withParams } from "./kit.js";

const KEPT = 60;
const FILLED = 30; // rows that the log fills up to

export default function Decisions({ route, session }) {
  if (route.rest[0]) return html`<${Story} id=${route.rest[0]} route=${route} />`;
  const { visitor, action, stage, which } = route.params;
  const searching = visitor || action || stage || which;
  return html`<${Page} title="Decisions" lead="Every answer the engine gave, and why." actions=${html`<${Finder} route=${route} />`}>
    ${searching ? html`<${Found} route=${route} />` : html`<${Live} />`}<//>`;
}

function Finder({ route }) {
  const [text, setText] = useState(route.params.visitor || "");
  const actions = useLoad("actions");
  const go = (event) => {
    event.preventDefault();
    const given = text.trim();
    if (/^[0-9A-HJKMNP-TV-Z]{26}-\d{2,4}$/.test(given)) navigate(address("decisions", [given]));
    else navigate(address("decisions", [], { ...route.params, visitor: given }));
  };
  const pick = (name) => (value) => navigate(withParams(route, { [name]: value }));
  return html`<form class="tools" role="search" onSubmit=${go}>
    <${Select} label="Chose" value=${route.params.action || ""} options=${[["", "anything"], ...(actions.data?.actions || []).map((one) => [one.id, one.id])]} onChange=${pick("action")} />
    <${Select} label="Stage" value=${route.params.stage || ""} options=${[["", "any"], ...STAGES.map((stage) => [stage, stage])]} onChange=${pick("stage")} />
    <${Select} label="Which" value=${route.params.which || ""} options=${[["", "all"], ["shown", "with a message"], ["silent", "silent"], ["degraded", "degraded"]]} onChange=${pick("which")} />
    <label class="field"><span>Find</span><input type="search" placeholder="visitor or decision id" value=${text} onInput=${(event) => setText(event.target.value)} /></label></form>`;
}

// ---- the live tail -----------------------------------------------------------------------------------------------

function Live() {
  const [came] = useState(() => ahead("decisions/tail"));
  const [rows, setRows] = useState(came?.decisions.slice(0, KEPT) || null);
  const [paused, setPaused] = useState(false);
  const [error, setError] = useState(null);
  const cursor = useRef(came?.cursor || "");
  const log = useLake("decisions", { most: FILLED }, 86400); // once: what the learner has taken is gone from the stream
  useEffect(() => {
    if (paused) return;
    let live = true;
    let timer = 0;
    const look = async () => {
      try {
        const told = document.hidden ? null : await get("decisions/tail", { cursor: cursor.current });
        if (!live) return;
        if (told) {
          cursor.current = told.cursor;
          setError(null);
          setRows((before) => [...told.decisions, ...(before || [])].slice(0, KEPT));
        }
      } catch (problem) {
        if (live) setError(problem);
      }
      if (live) timer = setTimeout(look, 1000);
    };
    if (rows) timer = setTimeout(look, 1000);
    else look();
    return () => { live = false; clearTimeout(timer); };
  }, [paused]);
  const seen = new Set((rows || []).map((row) => row.decision_id));
  const older = (log.answer?.decisions || []).filter((row) => !seen.has(row.decision_id)).slice(0, Math.max(0, FILLED - seen.size));
  const known = rows && (log.told?.state !== "working" || rows.length);
  const all = [...(rows || []), ...older].sort((a, b) => b.ts_ms - a.ts_ms);
  const note = !known ? "…" : `the latest ${fmt.n(all.length)}${older.length ? `, ${fmt.n(older.length)} of them from the log` : ""}`;
  return html`<${Problem} error=${error} title="The stream cannot be read" />
    <${Card} flush title="As they come" note=${note} tools=${html`<${Pill} tone=${paused ? "" : "good"}>${paused ? "paused" : "live"}<//><${Button} onClick=${() => setPaused(!paused)}>${paused ? "Go on" : "Pause"}<//>`}>
    ${known && !all.length ? html`<${Empty} title="No decision yet"><p>The next one appears here by itself, as soon as a page of the shop asks.</p><//>` : html`<${Rows} rows=${all} />`}<//>`;
}

function Found({ route }) {
  const { visitor, action, stage, which } = route.params;
  const found = useLake("decisions", { visitor, action, stage, which });
  return html`${visitor && html`<p class="strip">Visitor <code class="wrap">${visitor}</code></p>`}<${Card} flush title="From the log" tools=${html`<${AsOf} told=${found.told} /><a href="/console/decisions">Back to the live ones</a>`}>
    <${Lake} of=${found} missing="The log is empty">${(answer) => (answer.decisions.length
      ? html`<${Rows} rows=${answer.decisions} />${answer.decisions.length >= answer.most && html`<p class="note">The latest ${fmt.n(answer.most)}; there may be more.</p>`}`
      : html`<${Empty} title="No decision matches"><p>${fmt.n(answer.days_read)} days of the log were read. What was decided in the last seconds may not have reached it yet.</p><//>`)}<//><//>`;
}

function Rows({ rows }) {
  const columns = [
    { id: "time", label: "When", cell: (row) => html`<a class="tabular" href=${address("decisions", [row.decision_id])}>${fmt.time(row.ts_ms)}</a>` },
    { id: "visitor", label: "Visitor", cell: (row) => html`<a class="wrap" href=${address("decisions", [], { visitor: row.visitor_id })}>${row.visitor_id}</a>` },
    { id: "stage", label: "Stage", cell: (row) => named(row.stage) || "–" },
    { id: "chose", label: "Chose", cell: (row) => (row.actions.length ? html`<span class="pills">${row.actions.map((pair) => { const [placement, action] = pair.split("="); return html`<${Pill} tone="accent" title=${placement}>${action}<//>`; })}</span>` : html`<span class="note">silence</span>`) },
    { id: "state", label: "", cell: (row) => (row.degraded ? html`<${Pill} tone="bad">degraded<//>` : null) },
  ];
  return html`<${Table} caption="Decisions" columns=${columns} rows=${rows} rowKey=${(row) => row.decision_id} onRow=${(row) => navigate(address("decisions", [row.decision_id]))} />`;
}

// ---- one decision ------------------------------------------------------------------------------------------------

function Story({ id, route }) {
  const found = useLoad(`decisions/${encodeURIComponent(id)}`);
  const lead = html`<a href="/console/decisions">Decisions</a> / <code class="wrap">${id}</code>`;
  const told = found.data;
  if (found.error) return html`<${Page} title="Decision" lead=${lead}><${Problem} error=${found.error} title=${found.error.title?.replace(/\.$/, "")} /><//>`;
  if (!told) return html`<${Page} title="Decision" lead=${lead}><p class="note">Loading …</p><//>`;
  return html`<${Page} title=${title(told)} lead=${lead} actions=${html`<${Replay} id=${id} />`}>
    ${told.degraded_because && html`<div class="alert bad"><strong>Degraded:</strong> ${DEGRADED[told.degraded_because] || told.degraded_because}</div>`}
    <ol class="story"><${Step} n="1" title="Who, and on which page"><${Who} told=${told} /><//>
      <${Step} n="2" title="What the visitor did before" note=${told.events_before ? `the latest ${told.events.length} of ${told.events.length + told.events_before}` : `${told.events.length} ${told.events.length === 1 ? "event" : "events"}`}><${Events} told=${told} /><//>
      <${Step} n="3" title="What the models saw"><${Scores} told=${told} /><//>
      <${Step} n="4" title="What was considered, and what blocked each"><${Considered} told=${told} route=${route} /><//>
      <${Step} n="5" title="What the page was told"><${Answer} told=${told} /><//></ol><//>`;
}

const DEGRADED = { store: "the store did not answer", deadline: "it did not answer in time", bundle: "no bundle was live", policy: "no policy was live", error: "a defect; the log has it" };

function title(told) {
  const chosen = Object.values(told.why.placements).map((one) => one.action).filter(Boolean);
  return chosen.length ? chosen.map((action) => told.titles[action] || named(action)).join(" · ") : "Silence";
}

const Step = ({ n, title: heading, note, children }) => html`<li class="card step"><div class="card-head"><span class="step-n">${n}</span><h2>${heading}</h2>${note && html`<span class="note">${note}</span>`}</div>${children}</li>`;

const Facts = ({ of }) => html`<dl class="facts">${of.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd class="wrap">${value}</dd></div>`)}</dl>`;

function Who({ told }) {
  const page = told.page;
  const policy = told.policy === told.live_policy ? html`${told.policy} <span class="note">(live)</span>` : told.policy;
  return html`<${Facts} of=${[
    ["Visitor", html`<a href=${address("decisions", [], { visitor: told.visitor_id })}>${told.visitor_id}</a>`],
    ["When", fmt.time(told.ts_ms)], ["Page", named(page.page_type)], ["Product", told.product || page.item_id], ["Category", page.category], ["Search", page.query],
    ["Channel", named(page.channel)], ["Device", named(page.device)], ["Locale", page.locale], ["Arm", ARMS[told.why.arm] || told.why.arm],
    ["Consent", told.consent ? told.consent.join(", ") || "none" : "not said: as the policy assumes"],
    ["Policy", policy], ["Bundle", told.bundle || "none"],
    ["Attributes", Object.entries(told.attributes).map(([name, value]) => `${name} ${value}`).join(", ")],
    ["Switched by hand", Object.entries(told.switches).map(([name, value]) => `${name} ${value}`).join(", ")],
  ]} />`;
}

const ARMS = { full: "full (the policy as it is)", holdout: "holdout: never sees anything", random: "random", propensity_only: "propensity only", no_levers: "no levers", rules_only: "rules only" };
const OUTCOMES = { view_promotion: "saw", select_promotion: "clicked", dismiss_promotion: "dismissed" };

function Events({ told }) {
  if (!told.events.length) return html`<${Empty} title="Nothing"><p>The visitor is new, or consent to personalization was not given.</p><//>`;
  const last = told.events[told.events.length - 1].ts_ms;
  return html`<ol class="events">${told.events.map((one, at) => {
    const gap = at ? one.ts_ms - told.events[at - 1].ts_ms : 0;
    return html`${gap > 1800000 && html`<li class="gap">${fmt.span(gap / 1000)} later</li>`}<li><time class="tabular note">${last - one.ts_ms < 1000 ? "now" : `−${fmt.span((last - one.ts_ms) / 1000)}`}</time>
      <span>${OUTCOMES[one.event] ? html`<span class="note">${OUTCOMES[one.event]} the message</span> ` : html`<strong>${named(one.event)}</strong> `}${one.about || (one.unnamed ? html`<span class="note">a product no longer in the catalog</span>` : "")}
      ${one.page && !one.about && html`<span class="note">on ${named(one.page).toLowerCase()}</span>`}${one.price != null && html` <span class="note tabular">${fmt.dec(one.price)}</span>`}</span></li>`;
  })}</ol>`;
}

function Scores({ told }) {
  const { stage, intent, contributions } = told.why;
  const [of, setOf] = useState("");
  if (!stage) return html`<${Empty} title="No scores"><p>A degraded decision has none.</p><//>`;
  const models = contributions ? Object.keys(contributions).filter((name) => contributions[name].length) : [];
  const shown = models.includes(of) ? of : models.find((name) => name.endsWith(told.why.stage_named)) || models[0];
  return html`<div class="columns even"><div><h3>Stage <span class="note">named: ${told.why.stage_named}</span></h3>${Object.entries(stage).map(([name, share]) => html`<${Share} name=${named(name)} share=${share} strong=${name === told.why.stage_named} />`)}</div>
    <div><h3>Intent <span class="note">probability</span></h3>${Object.entries(intent).map(([name, share]) => html`<${Share} name=${named(name)} share=${share} />`)}
    ${told.why.weariness !== 1 && html`<p class="note">Costs count ${fmt.dec(told.why.weariness, 2)} times: messages shown before have tired this visitor.</p>`}</div></div>
    ${shown ? html`<h3 class="above">What moved the score of <select aria-label="Model" value=${shown} onChange=${(event) => setOf(event.target.value)}>${models.map((name) => html`<option value=${name} selected=${name === shown}>${name}</option>`)}</select></h3><${Contributions} parts=${contributions[shown]} features=${told.features} />`
      : html`<p class="note above">${contributions ? "" : "The bundle of this decision is no longer in the registry: what moved its scores cannot be told."}</p>`}`;
}

const Share = ({ name, share, strong }) => html`<div class="share ${strong ? "strong" : ""}"><span>${name}</span><${Bar} share=${share} label=${`${name} ${fmt.pct(share)}`} /><span class="tabular">${fmt.pct(share)}</span></div>`;

function Contributions({ parts, features }) {
  const most = Math.max(...parts.map((part) => Math.abs(part.contribution)), 1e-9);
  const columns = [
    { id: "feature", label: "Feature", cell: (part) => html`<span class="two"><code>${part.feature}</code><span class="note">${(features[part.feature]?.[1] || "").replace(/; NaN .*$/, ".")}</span></span>` },
    { id: "value", label: "Was", num: true, cell: (part) => (part.value === null ? "unknown" : `${fmt.dec(part.value, Number.isInteger(part.value) ? 0 : 2)} ${unit(features[part.feature]?.[0], part.value)}`) },
    { id: "moved", label: "Moved the score by", num: true, title: "In the model's raw score (log odds)", cell: (part) => html`<span class="moved"><span class="tabular">${fmt.signed(part.contribution, 3)}</span><${Bar} share=${Math.abs(part.contribution) / most} tone=${part.contribution > 0 ? "" : "muted"} label=${fmt.signed(part.contribution, 3)} /></span>` },
  ];
  return html`<${Table} caption="Contributions" columns=${columns} rows=${parts} rowKey=${(part) => part.feature} />`;
}

const unit = (name, value) => (["code", "0/1", undefined].includes(name) ? "" : value === 1 && name.length > 2 ? name.replace(/s$/, "") : name);

const REASONS = { won: "won the draw", explored: "the exploration floor decided", silence: "silence won", no_candidate: "every candidate was blocked", holdout: "the visitor is in the holdout", fallback: "degraded; a fallback showed", degraded: "degraded; nothing may show" };

function Considered({ told, route }) {
  const placements = Object.entries(told.why.placements);
  return html`${placements.map(([placement, one]) => html`<section class="placement"><h3><code>${placement}</code> <span class="note">${one.action ? html`→ <strong>${one.action}</strong>, ` : "→ silence, "}${REASONS[one.reason] || one.reason}; chance of this choice ${fmt.pct(one.propensity)}${one.withheld ? `; ${one.withheld} would have won, but is an apprentice` : ""}</span></h3>
      <${Candidates} one=${one} told=${told} /></section>`)}
    <${WhyNot} told=${told} route=${route} />`;
}

function Candidates({ one, told }) {
  const open = one.candidates.filter((candidate) => !candidate.gate).sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
  const closed = one.candidates.filter((candidate) => candidate.gate);
  const rows = [...open, ...(open.length ? [{ action: "", ...one.silence }] : [])];
  const columns = [
    { id: "action", label: "Candidate", cell: (row) => (row.action ? html`<span class="two"><a href=${address("messages", [row.action])}>${told.titles[row.action] || row.action}</a><span class="note">${row.action}${row.action === one.action ? " · chosen" : row.apprentice ? " · apprentice" : ""}</span></span>` : html`<span class="two">Silence<span class="note">${one.action ? "" : "chosen"}</span></span>`) },
    { id: "probability", label: "Adds", num: true, title: "Incremental probability, mean over the draws", cell: (row) => fmt.pct(row.probability, 2) },
    { id: "value", label: "× value", num: true, cell: (row) => fmt.dec(row.value) },
    { id: "lever", label: "× lever", num: true, cell: (row) => fmt.dec(row.lever) },
    { id: "cost", label: "− cost", num: true, cell: (row) => fmt.dec(row.cost, 3) },
    { id: "net", label: "= net", num: true, cell: (row) => html`<strong>${fmt.signed(row.net, 3)}</strong>` },
    { id: "share", label: "Draws won", num: true, cell: (row) => html`<span class="two">${fmt.pct(row.share, 0)}<${Bar} share=${row.share ?? 0} label=${fmt.pct(row.share)} /></span>` },
    { id: "propensity", label: "Chance", num: true, title: "Of being chosen, with exploration", cell: (row) => fmt.pct(row.propensity) },
  ];
  return html`${rows.length > 0 && html`<${Table} caption="Candidates" columns=${columns} rows=${rows} rowKey=${(row) => row.action || "silence"} />`}
    ${closed.length > 0 && html`<details class="closed" open=${!open.length}><summary>${fmt.n(closed.length)} blocked</summary><ul>${closed.map((candidate) => html`<li><${Pill} tone="warn">${named(candidate.gate)}<//> <a href=${address("messages", [candidate.action])}>${candidate.action}</a> <span class="note wrap">${candidate.detail}${candidate.values && html` · ${Object.entries(candidate.values).map(([name, value]) => `${name} = ${value === null ? "unknown" : fmt.dec(value, Number.isInteger(value) ? 0 : 2)}`).join(", ")}`}</span></li>`)}</ul></details>`}
    ${!one.candidates.length && html`<p class="note">Nothing was considered.</p>`}`;
}

function WhyNot({ told, route }) {
  const asked = route.params.not || "";
  const found = useLoad(asked ? `decisions/${encodeURIComponent(told.decision_id)}/why` : null, { action: asked });
  return html`<section class="placement"><${Select} label="Why not" value=${asked} options=${[["", "choose a message"], ...told.actions.map((action) => [action, action])]} onChange=${(not) => navigate(withParams(route, { not }), { replace: true })} />
    ${asked && found.error && html`<p class="verdict">${found.error.message}</p>`}
    ${asked && found.data?.placements?.map((one) => html`<p class="verdict"><code>${one.placement}</code>: ${one.because}${one.lost_to && html` <span class="note">net ${fmt.signed(one.net, 3)} against ${fmt.signed(one.lost_to.net, 3)}; it won ${fmt.pct(one.share, 0)} of the draws</span>`}</p>`)}</section>`;
}

function Answer({ told }) {
  return html`<details><summary>The answer as it was sent</summary><pre class="code">${JSON.stringify(told.answer, null, 1)}</pre></details>`;
}

function Replay({ id }) {
  const [state, setState] = useState({});
  const go = async () => {
    setState({ busy: true });
    try {
      setState({ told: await post(`decisions/${encodeURIComponent(id)}/replay`) });
    } catch (error) {
      setState({ error });
    }
  };
  const { told, error, busy } = state;
  return html`<span class="tools" role="status">${told && (told.identical ? html`<${Pill} tone="good">identical, to the byte<//>` : html`<${Pill} tone="bad">differs: ${told.differs.join(", ")}<//>`)}
    ${error && html`<span class="bad">${error.message}</span>`}<${Button} tone="primary" disabled=${busy} onClick=${go}>${busy ? "Deciding again …" : "Replay"}<//></span>`;
}
