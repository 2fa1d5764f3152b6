// Messages: what each action met with, what it added over silence, and the button that stops it.
import { AsOf, Bar, Button, Card, Chart, Confirm, Empty, Interval, Lake, Page, Period, Pill, Problem, STAGES, Spark, Stat, Stats, Table, address, fmt, html, named, navigate, post, useLake, useLoad, useMemo, useState } from "./kit.js";
import { Preview } from "./preview.js";

const PER = 1000; // showings that a lift is told for
const days = ({ since_ms: since, until_ms: until }) => (fmt.day(since) === fmt.day(until) ? fmt.day(until) : `${fmt.day(since)} – ${fmt.day(until)}`);

export default function Messages({ route, session }) {
  const params = { period: route.params.period };
  const found = useLake("messages", params);
  const lift = useLake("message_lift", params, 60);
  const switches = useLoad("switches", {}, 5);
  const id = route.rest[0];
  const shared = { route, session, lift, switches };
  const tools = html`<${AsOf} told=${found.told} /><${Period} route=${route} />`;
  if (id) return html`<${One} ...${shared} found=${found} id=${id} tools=${tools} />`;
  return html`<${Page} title="Messages" lead="What each message met with, and what it added over silence." actions=${tools}>
    <${ShopSwitch} switches=${switches} />
    <${Lake} of=${found} missing="No message has been decided yet">${(answer) => html`<${All} ...${shared} answer=${answer} />`}<//><//>`;
}

function All({ route, session, answer, lift, switches }) {
  const [kind, setKind] = useState("used");
  const state = stateOf(switches.data);
  const lifts = lift.answer?.actions || {};
  const scale = useMemo(() => scaleOf(lifts), [lift.answer]);
  const rows = answer.actions.filter((one) => kind === "all" || one.decided > 0 || one.shown > 0);
  const unit = lift.answer?.unit === "orders" ? "orders" : lift.answer?.unit;
  const shown = answer.actions.reduce((sum, one) => sum + one.shown, 0);
  const columns = [
    { id: "id", label: "Message", sort: (row) => row.id, cell: (row) => html`<span class="two"><a href=${address("messages", [row.id], route.params)}>${row.title || named(row.id)}</a><span class="note">${row.id} · ${row.kind || "no longer in the policy"}</span></span>` },
    { id: "state", label: "State", sort: (row) => state(row), cell: (row) => html`<${State} name=${state(row)} />` },
    { id: "reach", label: "Reach", num: true, title: "Visitors who saw it", sort: (row) => row.reach, cell: (row) => fmt.n(row.reach) },
    { id: "shown", label: "Shown", num: true, title: "Times it was seen on a page", sort: (row) => row.shown, cell: (row) => html`<span class="two">${fmt.n(row.shown)}<span class="note">of ${fmt.n(row.decided)} decided</span></span>` },
    ...[["clicked", "Clicked"], ["dismissed", "Dismissed"], ["converted", "Order after"]].map(([name, label]) => ({
      id: name, label, num: true, title: name === "converted" ? "Showings that an order followed within the policy's window: attributed, not added" : "Of showings",
      sort: (row) => (row.shown ? row[name] / row.shown : -1), cell: (row) => html`<span class="two">${fmt.rate(row[name], row.shown)}<span class="note">${fmt.n(row[name])}</span></span>`,
    })),
    { id: "lift", label: `Added per ${fmt.n(PER)} shown`, title: `Over silence at the same moments, with the 95 % interval${unit ? `, in ${unit}` : ""}`, sort: (row) => lifts[row.id]?.added?.value ?? -Infinity, cell: (row) => html`<${Lift} lift=${lift} one=${lifts[row.id]} scale=${scale} />` },
    { id: "time", label: "Shown over time", cell: (row) => html`<${Spark} values=${row.by_step.shown} label=${`Showings of ${row.id} over time`} />` },
  ];
  return html`<${Stats}>
      <${Stat} label="Decisions" value=${fmt.n(answer.decisions)} note=${days(answer)} />
      <${Stat} label="Visitors decided for" value=${fmt.n(answer.visitors)} />
      <${Stat} label="Silent pages" value=${fmt.rate(answer.silent, answer.decisions)} note=${`${fmt.n(answer.silent)} decisions chose nothing`} />
      <${Stat} label="Messages shown" value=${fmt.n(shown)} note=${`${fmt.dec(shown / Math.max(1, answer.visitors), 1)} a visitor`} /><//>
    <${Card} flush title="All messages" note=${`${rows.length} of ${answer.actions.length}${lift.told?.state === "working" ? `; counting what they added: ${fmt.pct(lift.told.share, 0)} of the receipts read` : ""}`} tools=${html`<button type="button" class="plain" onClick=${() => setKind(kind === "all" ? "used" : "all")}>${kind === "all" ? "Only those that were decided" : "Also those that were never decided"}</button>`}>
      ${rows.length ? html`<${Table} caption="Messages" columns=${columns} rows=${rows} rowKey=${(row) => row.id} sorted=${{ id: "shown", down: true }} onRow=${(row) => navigate(address("messages", [row.id], route.params))} />` : html`<${Empty} title="No message was decided in this period"><p>Choose a longer period, or look at <a href="/console/decisions">Decisions</a> for what blocks them.</p><//>`}
    <//>
    <p class="note foot">“Order after” is attributed: who buys anyway has often seen something. What a message added is told against silence at the same moments, with its 95 % interval${unit ? html`, in ${unit} for ${fmt.n(PER)} showings` : ""}; below ${lift.answer?.enough ?? 30} showings it is not told.</p>`;
}

function Lift({ lift, one, scale }) {
  if (!lift.answer) return html`<span class="note">${lift.told?.state === "working" ? "being counted" : lift.told ? "not known" : "…"}</span>`;
  if (!one?.added) return html`<span class="note">${one?.more ? `needs ${fmt.n(one.more)} more showings` : "not told yet"}</span>`;
  const { value, low, high } = one.added;
  const tone = low > 0 ? "good" : high < 0 ? "bad" : "";
  const text = `${fmt.signed(PER * value, 1)} [${fmt.signed(PER * low, 1)}, ${fmt.signed(PER * high, 1)}]`;
  return html`<span class="lift"><${Interval} low=${PER * low} high=${PER * high} value=${PER * value} scale=${scale} tone=${tone} label=${text} /><span class="tabular">${text}</span><span class="note">${verdict(one)}</span></span>`;
}

function verdict(one) {
  const { low, high } = one.added;
  if (low > 0) return "adds something";
  if (high < 0) return "takes away";
  return one.more ? `not told apart; needs ≈ ${fmt.n(rounded(one.more))} more showings` : "nothing to see";
}

const rounded = (count) => { const step = 10 ** Math.max(0, String(count).length - 2); return Math.ceil(count / step) * step; };

function scaleOf(lifts) {
  const ends = Object.values(lifts).filter((one) => one.added).map((one) => PER * Math.max(Math.abs(one.added.low), Math.abs(one.added.high))).sort((a, b) => a - b);
  return ends.length ? ends[Math.floor(0.8 * (ends.length - 1))] * 1.1 : 1; // the widest may be cut: a single one must not flatten the others
}

// ---- states and the stop button ----------------------------------------------------------------------------------

const stateOf = (switches) => (row) => {
  if (!row.kind) return "gone";
  const set = switches?.switches || {};
  if (set.shop === "stopped" || set[`action:${row.id}`] === "stopped") return "stopped";
  const own = set[`action:${row.id}`] || set.shop;
  return own || (row.apprentice ? "apprentice" : "live");
};

const STATES = { live: ["good", "live"], stopped: ["bad", "stopped"], apprentice: ["warn", "apprentice"], gone: ["", "gone"] };
const State = ({ name }) => html`<${Pill} tone=${STATES[name]?.[0]} title=${name === "apprentice" ? "Decided and logged, not shown" : undefined}>${STATES[name]?.[1] || name}<//>`;

function ShopSwitch({ switches }) {
  const set = switches.data?.switches?.shop;
  const [asking, setAsking] = useState(false);
  if (!set && !asking) return html`<p class="strip"><button type="button" class="plain danger" onClick=${() => setAsking(true)}>Stop everything in this shop …</button></p>`;
  return html`${set && html`<div class="alert ${set === "stopped" ? "bad" : "warn"}" role="status"><strong>${set === "stopped" ? "Nothing is shown in this shop." : `The whole shop is switched to ${set}.`}</strong> <button type="button" class="plain" onClick=${() => setAsking(true)}>Follow the policy's file again</button></div>`}
    ${asking && html`<${Switching} target="shop" now=${set} onClose=${(done) => { setAsking(false); if (done) switches.reload(); }} />`}`;
}

export function Switching({ target, now, to, onClose }) {
  const state = to !== undefined ? to : now ? null : "stopped";
  const what = target === "shop" ? "the whole shop" : target.replace(":", " ");
  const title = state === "stopped" ? `Stop ${what}?` : state === "apprentice" ? `Make ${what} an apprentice?` : `Let ${what} follow the policy's file again?`;
  const text = state === "stopped" ? "It is shown to nobody any more, on every page, within a second. It holds until somebody takes it back; the audit log keeps who, when and why."
    : state === "apprentice" ? "It is decided and logged, but not shown." : "What the file says holds again, within a second.";
  return html`<${Confirm} title=${title} text=${text} yes=${state === "stopped" ? "Stop it" : "Do it"} tone=${state === "stopped" ? "danger" : "primary"} fields=${[{ id: "why", label: "Why (kept in the audit log)", hint: "wrong price" }]}
    onYes=${({ why }) => post("switches", { target, state, why: why || "" })} onClose=${onClose} />`;
}

// ---- one message -------------------------------------------------------------------------------------------------

function One({ route, session, found, lift, switches, id, tools }) {
  const row = found.answer?.actions.find((one) => one.id === id);
  const back = html`<a href=${address("messages", [], route.params)}>Messages</a>`;
  return html`<${Page} title=${row?.title || named(id)} lead=${html`${back} / <code>${id}</code>${row?.kind ? ` · ${row.kind} · ${row.placements.join(", ")}` : ""}`} actions=${tools}>
    <${Lake} of=${found}>${(answer) => row ? html`<${Detail} ...${{ session, answer, row, lift, switches, id, route }} />` : html`<${Empty} title=${`No message is called ${id}`}><p>${back} lists those that the policy has, and those that were chosen in the period.</p><//>`}<//><//>`;
}

function Detail({ session, answer, row, lift, switches, id, route }) {
  const [asking, setAsking] = useState(null);
  const state = stateOf(switches.data)(row);
  const one = lift.answer?.actions[id];
  const series = useMemo(() => [
    { label: "Shown", values: row.by_step.shown, colour: "muted", fill: "soft" },
    { label: "Clicked", values: row.by_step.clicked, colour: "warn" },
    { label: "Order after", values: row.by_step.converted, colour: "good" },
  ], [row]);
  const set = switches.data?.switches?.[`action:${id}`];
  return html`<div class="strip"><${State} name=${state} />
      ${row.kind && (set ? html`<${Button} onClick=${() => setAsking({ to: null })}>Follow the file again<//>` : html`<${Button} onClick=${() => setAsking({ to: "apprentice" })}>Make it an apprentice<//>`)}
      ${row.kind && set !== "stopped" && html`<${Button} tone="danger" onClick=${() => setAsking({ to: "stopped" })}>Stop it<//>`}
      <a class="button" href=${address("decisions", [], { action: id })}>Decisions that chose it</a></div>
    <${Problem} error=${switches.error} title="The switches could not be read" />
    ${asking && html`<${Switching} target=${`action:${id}`} now=${set} to=${asking.to} onClose=${(done) => { setAsking(null); if (done) switches.reload(); }} />`}
    <${Stats}>
      <${Stat} label="Reach" value=${fmt.n(row.reach)} note="visitors who saw it" />
      <${Stat} label="Shown" value=${fmt.n(row.shown)} note=${`of ${fmt.n(row.decided)} decided`} />
      <${Stat} label="Clicked" value=${fmt.rate(row.clicked, row.shown)} note=${fmt.n(row.clicked)} />
      <${Stat} label="Dismissed" value=${fmt.rate(row.dismissed, row.shown)} note=${fmt.n(row.dismissed)} />
      <${Stat} label="Order after" value=${fmt.rate(row.converted, row.shown)} note=${`${fmt.n(row.converted)}, attributed`} />
      <${Stat} label=${`Added per ${fmt.n(PER)}`} value=${one?.added ? fmt.signed(PER * one.added.value, 1) : "–"} tone=${one?.added?.low > 0 ? "good" : one?.added?.high < 0 ? "bad" : ""}
        note=${one?.added ? `[${fmt.signed(PER * one.added.low, 1)}, ${fmt.signed(PER * one.added.high, 1)}] ${lift.answer.unit}; ${verdict(one)}` : lift.answer ? (one?.more ? `needs ${fmt.n(one.more)} more showings` : "not told yet") : "reading receipts …"} /><//>
    <div class="columns"><${Card} title="Over time" note=${answer.step_ms > 3600000 ? "per day" : "per hour"}>
        ${row.shown ? html`<${Chart} times=${answer.steps} series=${series} label=${`Showings, clicks and orders of ${id} over time`} />` : html`<${Empty} title="Never shown in this period"><p>It was decided ${fmt.n(row.decided)} times. A message counts as shown once half of it stood on the screen for a second.</p><//>`}<//>
      <${Card} title="As the visitor sees it">${row.kind ? html`<${Preview} id=${id} kind=${row.kind} />` : html`<${Empty} title="No longer in the policy" />`}<//></div>
    <${Card} flush title="By stage" note="of the journey, as the models saw it at the decision"><${ByStage} row=${row} one=${one} lift=${lift} /><//>`;
}

function ByStage({ row, one, lift }) {
  const effects = Object.fromEntries((one?.stages || []).map((effect) => [effect.stage, effect]));
  const rows = STAGES.map((stage) => ({ stage, ...(row.stages[stage] || { decided: 0, shown: 0, clicked: 0, dismissed: 0, converted: 0 }), effect: effects[stage] }));
  const scale = Math.max(...rows.map((at) => (at.effect ? PER * Math.max(Math.abs(at.effect.effect_ci[0]), Math.abs(at.effect.effect_ci[1])) : 0)), 0.1);
  const most = Math.max(1, ...rows.map((at) => at.shown));
  const columns = [
    { id: "stage", label: "Stage", cell: (at) => named(at.stage) },
    { id: "shown", label: "Shown", num: true, cell: (at) => html`<span class="two">${fmt.n(at.shown)}<${Bar} share=${at.shown / most} label=${`${fmt.n(at.shown)} shown`} /></span>` },
    ...[["clicked", "Clicked"], ["dismissed", "Dismissed"], ["converted", "Order after"]].map(([id, label]) => ({ id, label, num: true, cell: (at) => fmt.rate(at[id], at.shown) })),
    { id: "effect", label: `Believed to add, per ${fmt.n(PER)}`, cell: (at) => {
      if (!at.effect) return html`<span class="note">${lift.answer ? "–" : "…"}</span>`;
      const [low, high] = at.effect.effect_ci;
      const text = `${fmt.signed(PER * at.effect.effect, 1)} [${fmt.signed(PER * low, 1)}, ${fmt.signed(PER * high, 1)}]`;
      return html`<span class="lift"><${Interval} low=${PER * low} high=${PER * high} value=${PER * at.effect.effect} scale=${scale} tone=${low > 0 ? "good" : high < 0 ? "bad" : ""} label=${text} /><span class="tabular">${text}</span><span class="note">${at.effect.beats_cost === "too little data" ? "mostly its prior: too little data" : `beats its cost: ${at.effect.beats_cost}`}</span></span>`;
    } },
  ];
  return html`<${Table} caption="By stage" columns=${columns} rows=${rows} rowKey=${(at) => at.stage} />`;
}
