// The policy: the file with validation and completion, test personas, what-if beside the live one, approval, history.
import { Button, Card, Confirm, Empty, Interval, Page, Pill, Problem, Stat, Stats, Table, Tabs, address, fmt, get, html, named, navigate, post, useEffect, useLoad, useMemo, useRef, useState } from "./kit.js";
import { JobState, useJob } from "./jobs.js";
import { Diff } from "./diff.js";

const TABS = [["edit", "Edit"], ["tests", "Test personas"], ["what-if", "What if"], ["history", "History"]];

export default function Policy({ route, session }) {
  const found = useLoad("policy");
  const words = useLoad("policy/words");
  const tab = TABS.some(([id]) => id === route.rest[0]) ? route.rest[0] : "edit";
  const key = `tact.draft.${session.shop}`;
  const live = found.data;
  const draft = () => (live ? localStorage.getItem(key) ?? live.text ?? "" : null); // without one the file is shown as it is, also after a rollback
  const [text, setText] = useState(draft);
  useEffect(() => { if (live) setText(draft()); }, [live]);
  const changed = text !== null && live && text !== live.text;
  const keep = (given) => {
    setText(given);
    if (given === live?.text) localStorage.removeItem(key);
    else localStorage.setItem(key, given);
  };
  const checked = useChecked(text);
  const shared = { live, text, keep, changed, checked, words: words.data, session, reload: found.reload };
  return html`<${Page} title="Policy" lead=${live ? html`<code class="wrap">${live.file}</code> · version ${live.version || "none"}` : "…"} actions=${changed ? html`<${Pill} tone="warn">a draft, kept in this browser<//><${Button} onClick=${() => keep(live.text)}>Throw it away<//>` : live && html`<${Pill} tone="good">as it is live<//>`}>
    <${Problem} error=${found.error} title="The policy cannot be read" />
    ${live?.refused?.policy && html`<div class="alert bad"><strong>The file was refused; the version before stays live.</strong> ${live.refused.policy}</div>`}
    <${Tabs} label="Policy" items=${TABS} at=${tab} href=${(id) => address("policy", id === "edit" ? [] : [id])} />
    ${live && text !== null && (tab === "edit" ? html`<${Edit} ...${shared} />` : tab === "tests" ? html`<${Tests} ...${shared} />` : tab === "what-if" ? html`<${WhatIf} ...${shared} />` : html`<${History} ...${shared} route=${route} />`)}<//>`;
}

function useChecked(text) {
  const [state, setState] = useState({ told: null, busy: true });
  useEffect(() => {
    if (text === null) return undefined;
    let live = true;
    setState((before) => ({ ...before, busy: true }));
    const timer = setTimeout(() => post("policy/check", { text }).then((told) => live && setState({ told, busy: false }), (error) => live && setState({ told: null, error, busy: false })), 450);
    return () => { live = false; clearTimeout(timer); };
  }, [text]);
  return state;
}

// ---- edit --------------------------------------------------------------------------------------------------------

function Edit({ live, text, keep, changed, checked, words, session, reload }) {
  const area = useRef(null);
  const gutter = useRef(null);
  const lines = useMemo(() => text.split("\n").length, [text]);
  const problems = [...(checked.told?.errors || []).map((one) => ({ ...one, tone: "bad" })), ...(checked.told?.warnings || []).map((one) => ({ ...one, tone: "warn" }))];
  const marked = useMemo(() => new Map(problems.map((one) => [one.line, one.tone])), [checked.told]);
  const [hints, setHints] = useState(null);
  const go = (line) => {
    const at = text.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.current.focus();
    area.current.setSelectionRange(at, at);
    area.current.scrollTop = Math.max(0, (line - 6) * 19);
  };
  const leaving = useRef(0);
  const look = () => { clearTimeout(leaving.current); setHints(complete(area.current, words, text)); };
  const take = (hint) => {
    const { selectionStart: end } = area.current;
    const start = end - hints.typed.length;
    area.current.setRangeText(hint.insert, start, end, "end");
    keep(area.current.value);
    setHints(null);
    area.current.focus();
  };
  const pressed = (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); look(); return; }
    if (!hints?.list.length) return;
    if (event.key === "Tab") { event.preventDefault(); take(hints.list[hints.at]); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); setHints({ ...hints, at: (hints.at + (event.key === "ArrowDown" ? 1 : hints.list.length - 1)) % hints.list.length }); }
    else if (event.key === "Escape") setHints(null);
  };
  return html`<div class="columns"><${Card} flush kind="editor-card"><div class="editor"><div class="gutter" ref=${gutter} aria-hidden="true">${numbered(lines, marked)}</div>
      <textarea ref=${area} aria-label="The policy file" spellcheck="false" wrap="off" value=${text} onInput=${(event) => { keep(event.target.value); look(); }} onKeyDown=${pressed} onBlur=${() => { leaving.current = setTimeout(() => setHints(null), 200); }} onFocus=${() => clearTimeout(leaving.current)} onScroll=${() => { gutter.current.scrollTop = area.current.scrollTop; }}></textarea></div>
      <div class="hints" role=${hints?.list.length ? "listbox" : undefined} aria-label=${hints?.list.length ? "Completions" : undefined}>${hints?.list.length ? hints.list.map((hint, at) => html`<button type="button" role="option" aria-selected=${at === hints.at} title=${hint.about} onClick=${() => take(hint)}><code>${hint.insert.trim()}</code> <span class="note">${hint.about}</span></button>`) : html`<span class="note">Ctrl+Space completes fields, words and names; Tab takes the chosen one.</span>`}</div><//>
    <div><${Card} title="Checked" note=${checked.busy ? "…" : checked.told?.took_ms ? `in ${fmt.ms(checked.told.took_ms)}` : ""}>
      <${Problem} error=${checked.error} />
      ${checked.told && html`<p><${Pill} tone=${checked.told.ok ? "good" : "bad"}>${checked.told.ok ? "fit to serve" : "not fit to serve"}<//> <span class="note">${checked.told.version ? `version ${checked.told.version}, ${fmt.n(checked.told.actions)} actions, ${fmt.n(checked.told.placements)} placements` : `${fmt.n(checked.told.errors.length)} ${checked.told.errors.length === 1 ? "error" : "errors"}`}</span></p>
      <ul class="problems">${problems.map((one) => html`<li><button type="button" class="plain" onClick=${() => go(one.line)}><span class=${`tabular ${one.tone}`}>${one.line}:${one.column}</span></button> <span class="wrap">${one.message}${one.code && html` <span class="note">${one.code}</span>`}</span></li>`)}</ul>
      ${!problems.length && html`<p class="note above">No error, no warning.</p>`}`}<//>
      <${Approve} ...${{ live, text, changed, checked, reload, session }} /></div></div>
    ${changed && live.text !== null && html`<${Card} title="What the draft changes" note="against the live file" flush><${Diff} before=${live.text} after=${text} /><//>`}`;
}

// The numbers of the lines, one text but for those that are marked.
function numbered(lines, marked) {
  const found = [];
  for (let line = 1; line <= lines; line += 1) {
    const tone = marked.get(line);
    if (tone || !found.length || typeof found.at(-1) !== "string") found.push(tone ? html`<div class=${tone}>${line}</div>` : `${line}\n`);
    else found[found.length - 1] += `${line}\n`;
  }
  return found;
}

// What may stand at the caret: words of a rule after `when:`, else fields of the schema and ids of this file.
function complete(area, words, text) {
  if (!words) return null;
  const before = area.value.slice(0, area.selectionStart);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const typed = /[A-Za-z_][\w.]*$/.exec(line)?.[0] || "";
  const rule = /^\s*when:/.test(line);
  const value = !rule && /^\s*(?:- )?[\w]+:\s/.test(line);
  const all = rule ? rules(words) : value ? values(words, line, text) : fields(words);
  const list = all.filter((one) => one.insert.startsWith(typed) && one.insert !== typed).slice(0, 8);
  return typed || rule || value ? { typed, list, at: 0 } : null;
}

const rules = (words) => Object.entries(words.features).filter(([, [unit]]) => unit !== "code").map(([name, [unit, meaning]]) => ({ insert: name.replace("_", "."), about: `${meaning} (${unit})` }));

let known = null;
function fields(words) {
  if (known) return known;
  const found = new Map();
  const walk = (node) => {
    for (const [name, one] of Object.entries(node?.properties || {})) {
      if (!found.has(name)) found.set(name, one.description || "");
      walk(one);
    }
    if (node?.items) walk(node.items);
    (node?.anyOf || node?.oneOf || []).forEach(walk);
    if (typeof node?.additionalProperties === "object") walk(node.additionalProperties);
  };
  walk(words.schema);
  known = [...found].map(([name, about]) => ({ insert: `${name}: `, about }));
  return known;
}

function values(words, line, text) {
  const name = /^\s*(?:- )?(\w+):/.exec(line)[1];
  const found = new Set();
  const walk = (node) => {
    for (const [field, one] of Object.entries(node?.properties || {})) {
      if (field === name) for (const choices of [one.enum, one.items?.enum]) (choices || []).forEach((choice) => found.add(String(choice)));
      walk(one);
    }
    if (node?.items) walk(node.items);
  };
  walk(words.schema);
  if (name === "placements") for (const [, id] of text.matchAll(/^\s*-?\s*\{?\s*id:\s*([\w.-]+)/gm)) found.add(id);
  return [...found].map((insert) => ({ insert, about: name }));
}

// ---- approval ----------------------------------------------------------------------------------------------------

function Approve({ live, text, changed, checked, reload, session }) {
  const judge = useJob();
  const promote = useJob((told) => told.exit === 0 && (localStorage.removeItem(`tact.draft.${session.shop}`), setTimeout(reload, 800)));
  const [asking, setAsking] = useState(null);
  const verdict = judge.told?.told;
  const ready = changed && checked.told?.ok && !checked.busy;
  return html`<${Card} title="Approve">
    <p class="note">${changed ? "The receipts are asked first: live policy and draft are valued on the same decisions of the last 30 days. What may lose more than 5 % is refused, and so is what they cannot tell." : "Nothing to approve: the draft is the live file."}</p>
    <div class="strip above"><${Button} disabled=${!ready || judge.busy} onClick=${() => judge.start("judge", { text })}>Ask the receipts<//>
      <${Button} tone="primary" disabled=${!ready || promote.busy} onClick=${() => setAsking({ force: false })}>Approve and make live …<//></div>
    <${JobState} job=${judge} good="It passes." bad="It would be refused." folded=${verdict?.reasons?.length} />${verdict && html`<${Verdict} verdict=${verdict} />`}
    <${JobState} job=${promote} good="It is live: running services take it up within a second." bad="Refused: the live policy stays." />
    ${promote.told && promote.told.exit !== 0 && html`<${Button} tone="danger" onClick=${() => setAsking({ force: true })}>Make it live all the same …<//>`}
    ${asking && html`<${Confirm} title=${asking.force ? "Go past the refusal?" : "Make this draft the live policy?"} text=${asking.force ? "The audit log keeps that it was forced, past what, and why." : "It is judged once more, and goes live if it passes. The version before is kept, byte for byte, for a rollback."} yes=${asking.force ? "Force it" : "Approve"} tone=${asking.force ? "danger" : "primary"}
      fields=${[{ id: "why", label: "Why (kept in the audit log)", required: true, hint: "shorter delivery promise, agreed with the store" }]} onYes=${async ({ why }) => { judge.clear(); promote.start("promote", { text, why: why || "", force: asking.force, base: live.version || "" }); }} onClose=${() => setAsking(null)} />`}<//>`;
}

function Verdict({ verdict }) {
  const difference = verdict.difference;
  return html`<dl class="facts spaced">${verdict.decisions != null && html`<div><dt>Judged by</dt><dd>${fmt.n(verdict.decisions)} decisions</dd></div>`}
    ${difference?.value != null && html`<div><dt>Difference a decision</dt><dd class="tabular">${fmt.signed(difference.value, 4)}${difference.ci ? ` [${fmt.signed(difference.ci[0], 4)}, ${fmt.signed(difference.ci[1], 4)}]` : ""}</dd></div>`}</dl>
    ${(verdict.reasons || []).map((reason) => html`<p class="note">${reason}</p>`)}`;
}

// ---- personas ----------------------------------------------------------------------------------------------------

function Tests({ live, text, changed }) {
  const [tests, setTests] = useState(live.tests || "");
  const job = useJob();
  const told = Array.isArray(job.told?.told) ? job.told.told : null;
  return html`<div class="columns even"><${Card} title="Example visitors" note="docs/policy.md, Persona tests" flush><textarea class="plain-editor" aria-label="Persona tests" spellcheck="false" wrap="off" placeholder=${"catalog: catalog.ndjson   # the shop's own\ncases:\n  - name: Lands on the home page from a partner\n    context: {page_type: home, channel: partner}\n    stage: awareness\n    expect:\n      home.hero: {sees: [welcome_partner]}"} value=${tests} onInput=${(event) => setTests(event.target.value)}></textarea><//>
    <${Card} title="What they see" note=${changed ? "with the draft" : "with the live file"} tools=${html`<${Button} tone="primary" disabled=${job.busy || !tests.trim()} onClick=${() => job.start("test", { text, tests })}>Run them<//>`}>
      ${told && !job.busy ? html`<p><${Pill} tone=${told.some((one) => one.failures.length) ? "bad" : "good"}>${fmt.n(told.reduce((sum, one) => sum + one.failures.length, 0))} of ${fmt.n(told.reduce((sum, one) => sum + one.expectations, 0))} expectations failed<//></p>
        <ul class="checks above">${told.map((one) => html`<li><${Pill} tone=${one.failures.length ? "bad" : "good"}>${one.failures.length ? "failed" : "as expected"}<//> ${one.case} <span class="note">${fmt.n(one.expectations)} ${one.expectations === 1 ? "expectation" : "expectations"}</span>${one.failures.map((failure) => html`<p class="note wrap"><code>${failure.placement}</code>: ${failure.message} <span class="tabular">(${failure.at})</span></p>`)}</li>`)}</ul>`
        : job.busy || job.error || job.told ? html`<${JobState} job=${job} bad="The tests cannot be read." />` : html`<${Empty} title="Not run yet"><p>Each visitor is decided for with the exact chance of every message. Nothing goes live.</p><//>`}<//></div>`;
}

// ---- what if -----------------------------------------------------------------------------------------------------

function WhatIf({ text, changed, checked }) {
  const job = useJob();
  const told = job.told?.exit === 0 ? job.told.told : null;
  const rows = told ? told.actions.filter((one) => one.shown.old || one.shown.new).sort((a, b) => Math.abs(b.shown.new - b.shown.old) - Math.abs(a.shown.new - a.shown.old)) : [];
  const columns = [
    { id: "action", label: "Message", cell: (row) => html`<span class="two"><a href=${address("messages", [row.action])}>${row.action}</a>${STANDINGS[row.standing] && html`<span class="note">${STANDINGS[row.standing]}</span>`}</span>` },
    { id: "old", label: "Shown, live", num: true, cell: (row) => fmt.n(row.shown.old) }, { id: "new", label: "Shown, draft", num: true, cell: (row) => fmt.n(row.shown.new) },
    { id: "change", label: "Change", num: true, cell: (row) => html`<strong>${fmt.signed(row.shown.new - row.shown.old, 0)}</strong>` },
    { id: "visitors", label: "Visitors, live → draft", num: true, cell: (row) => `${fmt.n(row.visitors.old)} → ${fmt.n(row.visitors.new)}` },
    { id: "eligible", label: "Eligible, live → draft", num: true, cell: (row) => `${fmt.n(row.eligible.old)} → ${fmt.n(row.eligible.new)}` },
  ];
  const share = (name) => html`<${Stat} label=${SIDES[name]} value=${`${fmt.pct(told.old[name])} → ${fmt.pct(told.new[name])}`} />`;
  return html`<${Card} title="What if the draft had been live?" tools=${html`<${Button} tone="primary" disabled=${job.busy || !checked.told?.ok} onClick=${() => job.start("simulate", { text })}>Replay the last 30 days<//>`}>
      <p class="note">${changed ? "Up to 5,000 decisions of the log are decided again with the draft, beside what the live policy did. Nobody sees anything." : "The draft is the live file: both sides will be alike."}</p>${!told || job.busy ? html`<${JobState} job=${job} bad="It cannot be told." />` : null}<//>
    ${told && !job.busy && html`<${Stats}><${Stat} label="Decisions replayed" value=${fmt.n(told.decisions)} note=${told.sampled || "all of the period"} />${share("silence_share")}${share("unserved_share")}${share("few_options_share")}<//>
    <${Card} flush title="Who gains and loses showings" note="expected showings, live against draft">${rows.length ? html`<${Table} caption="What if" columns=${columns} rows=${rows} rowKey=${(row) => row.action} />` : html`<${Empty} title="Neither would show anything" />`}<//>
    ${told.notes.map((note) => html`<p class="note">${note}</p>`)}`}`;
}

const STANDINGS = { new: "only in the draft", gone: "not in the draft", lost: "was eligible, is nowhere now" };
const SIDES = { silence_share: "Silence", unserved_share: "Visitors who see nothing", few_options_share: "Fewer than two options" };

// ---- history -----------------------------------------------------------------------------------------------------

function History({ live, route, keep, reload }) {
  const found = useLoad("audit", {}, 20);
  const [asking, setAsking] = useState(false);
  const job = useJob(() => { found.reload(); reload(); });
  const version = route.params.version;
  const other = useLoad(version ? `policy/versions/${version}` : null);
  const rows = (found.data?.entries || []).map((entry, at) => ({ ...entry, at }));
  const columns = [
    { id: "when", label: "When", cell: (row) => fmt.time(row.at_ms) }, { id: "who", label: "Who", cell: (row) => html`<span class="wrap">${row.who}</span>` },
    { id: "what", label: "What", cell: (row) => html`${named(row.what)} <span class="note">${row.target}</span>` },
    { id: "change", label: "From → to", cell: (row) => (row.target === "policy" ? html`<${Version} id=${row.before} /> → <${Version} id=${row.after} />` : html`<span class="note">${row.before || "as the file says"} → ${row.after || "as the file says"}</span>`) },
    { id: "why", label: "Why", cell: (row) => html`<span class="wrap">${row.why || "–"}</span>` },
  ];
  return html`<${JobState} job=${job} good="Rolled back." />
    ${version && html`<${Card} flush title=${`Version ${version}`} note="against the live file" tools=${other.data && html`<${Button} onClick=${() => { keep(other.data.text); navigate(address("policy")); }}>Edit from this one<//>`}>${other.error ? html`<${Problem} error=${other.error} />` : other.data && html`<${Diff} before=${other.data.text} after=${live.text || ""} />`}<//>`}
    <${Card} flush title="Audit log" note=${found.data ? (found.data.whole ? "whole: every line follows from the one before" : "not whole") : ""} tools=${html`<${Button} tone="danger" onClick=${() => setAsking(true)}>Roll back the latest promotion …<//>`}>
      ${found.data && !found.data.whole && html`<div class="alert bad"><strong>The audit log was changed.</strong> ${found.data.problem}</div>`}
      ${rows.length ? html`<${Table} caption="Audit log" columns=${columns} rows=${rows} rowKey=${(row) => row.hash} />` : found.data && html`<${Empty} title="Nothing was changed yet"><p>Switches, promotions, publications and rollbacks appear here. A file edited in place is no promotion and has no line.</p><//>`}<//>
    ${asking && html`<${Confirm} title="Undo the latest promotion?" text="The policy (or the draws) before it goes live again. Again, and the one before that." yes="Roll back" fields=${[{ id: "why", label: "Why (kept in the audit log)", required: true }]} onYes=${async ({ why }) => job.start("rollback_policy", { why: why || "" })} onClose=${() => setAsking(false)} />`}`;
}

const Version = ({ id }) => (id ? html`<a href=${address("policy", ["history"], { version: id })}><code>${id}</code></a>` : html`<span class="note">none</span>`);
