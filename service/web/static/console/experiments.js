// Experiments: each arm against the holdout, over time, by intervals that may be read every day.
import { AsOf, Card, Chart, Empty, Interval, Lake, Page, Period, Pill, Select, Stat, Stats, Table, fmt, html, named, navigate, useLake, useMemo, withParams } from "./kit.js";

export default function Experiments({ route, session }) {
  const found = useLake("experiments", { period: route.params.period }, 60);
  return html`<${Page} title="Experiments" lead="Does the whole of it pay? Each arm's visitors against those who never see anything." actions=${html`<${AsOf} told=${found.told} /><${Period} route=${route} />`}>
    <${Lake} of=${found} missing="Nothing to compare yet">${(answer) => html`<${All} answer=${answer} route=${route} session=${session} />`}<//>
    <p class="note foot">Bands are anytime-valid: looked at every day they still miss in 5 % of experiments at the most, so stop when you like. The unit is the visitor, from the first decision on. How to read it: docs/lift.md.</p><//>`;
}

function All({ answer, route, session }) {
  const outcomes = Object.keys(answer.outcomes);
  const outcome = outcomes.includes(route.params.of) ? route.params.of : outcomes[0];
  const people = Object.values(answer.arms).reduce((sum, arm) => sum + arm.visitors, 0);
  const first = answer.outcomes[outcome] && Object.entries(answer.outcomes[outcome])[0];
  return html`${answer.alarms.map((alarm) => html`<div class="alert bad" role="alert"><strong>Do not read the lift.</strong> ${alarm}.</div>`)}
    <${Stats}><${Stat} label="Visitors" value=${fmt.n(people)} note=${`in ${Object.keys(answer.arms).length} arms`} />
      <${Stat} label="In the holdout" value=${fmt.n(answer.arms[answer.base]?.visitors)} note=${`${fmt.rate(answer.arms[answer.base]?.visitors, people)} of all`} />
      <${Stat} label="Orders" value=${fmt.n(answer.purchases)} note=${answer.purchases_without_value ? `${fmt.n(answer.purchases_without_value)} without a value` : "since the first decision"} />
      <${SampleRatio} ratio=${answer.ratio} />
      ${first && html`<${Stat} label=${`${named(first[0])}: ${answer.names[outcome]}`} value=${shown(first[1], outcome) ? relative(first[1]) : "–"} note=${answer.alarms.length ? "do not read this" : first[1].words} tone=${answer.alarms.length ? "" : TONES[first[1].verdict] || ""} />`}<//>
    ${outcomes.length ? html`<div class="strip"><${Select} label="Outcome" value=${outcome} options=${outcomes.map((name) => [name, answer.names[name]])} onChange=${(of) => navigate(withParams(route, { of: of === outcomes[0] ? "" : of }))} /></div>
    <${Over} answer=${answer} outcome=${outcome} route=${route} /><${Arms} answer=${answer} outcome=${outcome} session=${session} />` : html`<${Empty} title="No outcome yet"><p>Nobody with a decision has bought anything in that time.</p><//>`}
    <${Checks} answer=${answer} />`;
}

const TONES = { better: "good", worse: "bad" };
const shown = (one) => one.verdict !== "no result yet";
const relative = (one) => (one.relative == null ? "–" : `${one.relative > 0 ? "+" : ""}${fmt.pct(one.relative)}`);

function SampleRatio({ ratio }) {
  if (ratio.reason) return html`<${Stat} label="Sample ratio" value="not checked" note=${ratio.reason} tone="warn" />`;
  return html`<${Stat} label="Sample ratio" value=${ratio.alarm ? "off" : "as configured"} note=${`p ${fmt.dec(ratio.p, ratio.p < 0.01 ? 4 : 2)}, checked at every look`} tone=${ratio.alarm ? "bad" : "good"} />`;
}

const scale = (outcome) => (outcome === "conversion" ? 100 : 1);
const unitOf = (outcome, session) => (outcome === "conversion" ? "pp" : session.currency);

function Over({ answer, outcome, route }) {
  const arms = Object.keys(answer.outcomes[outcome]);
  const arm = arms.includes(route.params.arm) ? route.params.arm : arms[0];
  const { times, series } = useMemo(() => {
    const days = answer.days.filter((day) => day[outcome]?.[arm]);
    const told = (pick) => days.map((day) => (shown(day[outcome][arm]) ? scale(outcome) * pick(day[outcome][arm]) : null));
    return { times: days.map((day) => Date.parse(day.until) - 1), series: [
      { label: "Upper end", values: told((one) => one.lift_ci[1]), colour: "line-strong", width: 1 },
      { label: "Lower end", values: told((one) => one.lift_ci[0]), colour: "line-strong", width: 1 },
      { label: "Lift", values: told((one) => one.lift), colour: "accent" },
      { label: "No effect", values: days.map(() => 0), colour: "muted", dash: [4, 4], width: 1 },
    ] };
  }, [answer, outcome, arm]);
  const some = series[2].values.some((value) => value !== null);
  const last = answer.outcomes[outcome][arm];
  return html`<${Card} title="Lift over time" note=${`${arm} against ${answer.base}, ${outcome === "conversion" ? "percentage points" : "money a visitor"}, 95 % band`}
    tools=${arms.length > 1 && html`<${Select} label="Arm" value=${arm} options=${arms.map((name) => [name, named(name)])} onChange=${(name) => navigate(withParams(route, { arm: name }))} />`}>
    ${some ? html`<${Chart} times=${times} series=${series} bands=${BAND} min=${null} height=${260} unit=${(value) => fmt.signed(value, 2)} label=${`Lift of ${arm} over time`} />`
      : html`<${Empty} title="No result yet"><p>${named((last?.words || "Too few visitors").replace(/^no result yet; /, ""))}. A band is drawn once each arm has 200 visitors and 10 buyers.</p><//>`}<//>`;
}

const BAND = [[0, 1, "band"]];

function Arms({ answer, outcome, session }) {
  const arms = Object.entries(answer.outcomes[outcome]);
  const factor = scale(outcome);
  const unit = unitOf(outcome, session);
  const mean = (value) => (outcome === "conversion" ? fmt.pct(value, 2) : fmt.money(value, session.currency, 2));
  const base = arms[0]?.[1];
  const rows = [{ arm: answer.base, visitors: answer.arms[answer.base].visitors, buyers: answer.arms[answer.base].buyers, mean: base ? base.mean - base.plain.lift : null }, ...arms.map(([arm, one]) => ({ arm, ...one }))];
  const most = Math.max(1e-9, ...arms.filter(([, one]) => shown(one)).map(([, one]) => factor * Math.max(...one.lift_ci.map(Math.abs))));
  const columns = [
    { id: "arm", label: "Arm", cell: (row) => html`<span class="two">${named(row.arm)}<span class="note">${ARMS[row.arm]}</span></span>` },
    { id: "visitors", label: "Visitors", num: true, cell: (row) => html`<span class="two">${fmt.n(row.visitors)}<span class="note">${answer.shares[row.arm] != null ? `${fmt.pct(answer.shares[row.arm], 0)} configured` : ""}</span></span>` },
    { id: "buyers", label: "Buyers", num: true, cell: (row) => fmt.n(row.buyers) },
    { id: "mean", label: outcome === "conversion" ? "Bought" : "Each", num: true, cell: (row) => mean(row.mean) },
    { id: "lift", label: `Lift (${unit}), 95 %`, cell: (row) => (!row.verdict ? html`<span class="note">compared with</span>` : !shown(row) ? html`<span class="note">–</span>` : html`<span class="lift"><${Interval} low=${factor * row.lift_ci[0]} high=${factor * row.lift_ci[1]} value=${factor * row.lift} scale=${most} tone=${TONES[row.verdict] || ""} label=${fmt.signed(factor * row.lift)} /><span class="tabular">${fmt.signed(factor * row.lift)} [${fmt.signed(factor * row.lift_ci[0])}, ${fmt.signed(factor * row.lift_ci[1])}]</span></span>`) },
    { id: "relative", label: "Relative", num: true, cell: (row) => (row.verdict && shown(row) ? relative(row) : "") },
    { id: "verdict", label: "Verdict", cell: (row) => (row.verdict ? html`<span class=${answer.alarms.length ? "bad" : TONES[row.verdict] || ""}>${answer.alarms.length ? "do not read this" : row.words}</span>` : "") },
  ];
  return html`<${Card} flush title="Arms" note=${answer.names[outcome]}><${Table} caption="Arms" columns=${columns} rows=${rows} rowKey=${(row) => row.arm} /><//>`;
}

const ARMS = { full: "the policy as it is", holdout: "never sees anything", random: "any eligible action or silence, each as likely", propensity_only: "the likeliest to work, whatever its worth", no_levers: "without the shop's own weights", rules_only: "the first eligible in the file's order" };

function Checks({ answer }) {
  const rows = [
    ["Sample ratio", answer.ratio.reason ? ["warn", `not checked: ${answer.ratio.reason}`] : answer.ratio.alarm ? ["bad", "the arms do not have the visitors they should"] : ["good", "arms have the visitors that they should"]],
    ["A/A: one arm cut in two", !answer.aa ? ["", "not made: too few buyers"] : answer.aa.alarm ? ["bad", "halves of one arm are told apart"] : ["good", "halves of one arm are alike"]],
    ["Alike before the start", ...[Object.values(answer.before)].map((all) => (!all.length ? ["", "nothing was done before"] : all.some((one) => one.alarm) ? ["bad", "arms differed before the first decision"] : ["good", "arms did as much before the first decision"]))],
  ];
  return html`<${Card} title="May it be read?" note="checks of the experiment itself"><ul class="checks">${rows.map(([what, [tone, text]]) => html`<li><${Pill} tone=${tone}>${tone === "good" ? "fine" : tone === "bad" ? "alarm" : "open"}<//> <strong>${what}:</strong> ${text}</li>`)}</ul>
    ${answer.notes.map((note) => html`<p class="note">${note.replace(/(\d)%/g, "$1\u00a0%")}</p>`)}<//>`;
}
