// Personas: kinds of visitors by how they travel, in words and figures, and how far they can be trusted.
import { AsOf, Bar, Card, Lake, Page, Pill, Stat, Stats, Table, address, fmt, html, named, useLake } from "./kit.js";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const TRAITS = {
  visits: ["Visits", (v) => fmt.dec(v, 1)], span: ["Days from first to last", (v) => fmt.dec(v, 1)], pages: ["Steps a visit", (v) => fmt.dec(v, 1)],
  pace: ["Seconds between steps", (v) => fmt.n(v)], products: ["Different products", (v) => fmt.dec(v, 1)], compares: ["Views that go back", (v) => fmt.pct(v, 0)],
  searches: ["Steps that search", (v) => fmt.pct(v, 0)], lists: ["Steps on lists", (v) => fmt.pct(v, 0)], reads: ["Steps that read up", (v) => fmt.pct(v, 0)],
  price: ["Price looked at", (v) => fmt.n(v)], carts: ["Into the cart, a visit", (v) => fmt.dec(v, 2)], units: ["Units at once", (v) => fmt.dec(v, 1)],
  evening: ["In the evening", (v) => fmt.pct(v, 0)], office: ["In office hours", (v) => fmt.pct(v, 0)], weekend: ["At the weekend", (v) => fmt.pct(v, 0)],
  mail: ["From e-mail", (v) => fmt.pct(v, 0)], direct: ["Directly", (v) => fmt.pct(v, 0)], engine: ["From search engines", (v) => fmt.pct(v, 0)],
  adverts: ["From adverts, partners", (v) => fmt.pct(v, 0)], social: ["From social media", (v) => fmt.pct(v, 0)], phone: ["On a phone", (v) => fmt.pct(v, 0)],
};
const VERDICTS = {
  stable: ["good", "Stable", "Other samples of these visitors give the same personas. That does not make them kinds of people: visitors differ by degrees."],
  "not stable": ["warn", "Not stable", "Other samples of these visitors give other personas. Look, but build nothing on them: they cannot be put in use, and a name may mean somebody else tomorrow."],
  "by degrees": ["warn", "No kinds", "Visitors differ by degrees: traits that have nothing to do with each other would be cut as well. There is nothing to build on."],
};

export default function Personas({ route }) {
  const found = useLake("personas", {}, 300);
  return html`<${Page} title="Personas" lead="Kinds of visitors, named from how they travel, never from who they are." actions=${html`<${AsOf} told=${found.told} />`}>
    <${Lake} of=${found} missing="Too few visitors to tell kinds apart">${(answer) => html`<${All} answer=${answer} picked=${route.rest[0]} />`}<//><//>`;
}

function All({ answer, picked }) {
  const [tone, title, text] = VERDICTS[answer.verdict];
  const { stability, window: seen, early } = answer;
  return html`<div class="alert ${tone}" role="status"><strong>${title}.</strong> ${text}</div>
    <${Stats}>
      <${Stat} label="Personas" value=${fmt.n(answer.personas.length)} note=${answer.in_use ? "names as in use" : "not in use yet"} />
      <${Stat} label="Visitors with one" value=${fmt.n(answer.everybody.visitors)} note=${`${fmt.n(seen.without)} did fewer than 3 steps`} />
      <${Stat} label="Found again" value=${fmt.dec(stability.rand)} note=${`adjusted Rand index, 20 bootstraps: ${fmt.dec(stability.rand_ci[0])} – ${fmt.dec(stability.rand_ci[1])}; 1 is the same`} tone=${answer.verdict === "stable" ? "good" : "warn"} />
      <${Stat} label="Explain" value=${fmt.pct(stability.explained, 0)} note=${`of how visitors differ; ${fmt.pct(stability.shuffled, 0)} if traits were shuffled`} />
      ${early.agree !== null && html`<${Stat} label="Known early" value=${fmt.pct(early.agree, 0)} note=${`after ${early.records} events have the one they end with; by chance ${fmt.pct(early.by_chance, 0)}`} />`}<//>
    <div class=${`personas ${answer.personas.length % 3 === 1 ? "pairs" : ""}`}>${answer.personas.map((one) => html`<${One} key=${one.persona} ...${{ one, answer, open: picked === one.persona }} />`)}</div>
    <${Side} answer=${answer} />
    <${Use} answer=${answer} />`;
}

function One({ one, answer }) {
  const all = answer.everybody;
  const out = one.stands_out.slice(0, 4);
  return html`<section class="card kin" id=${one.persona}><header><h2>${one.title}</h2><span class="part tabular">${fmt.pct(one.share, 0)}</span></header>
    <${Bar} share=${one.share} label=${`${fmt.pct(one.share, 0)} of the visitors`} />
    <p class="words">${one.words}.</p>
    ${!one.trusted && html`<p class="warn">Not to be trusted: found again with an overlap of ${fmt.dec(one.jaccard)} only.</p>`}
    <table class="traits"><caption class="hidden">What stands out</caption><thead><tr><th scope="col">What stands out</th><th scope="col" class="num">These</th><th scope="col" class="num">All</th></tr></thead>
      <tbody>${out.map(({ trait }) => html`<tr><th scope="row">${TRAITS[trait][0]}</th><td class="num">${TRAITS[trait][1](one.traits[trait])}</td><td class="num note">${TRAITS[trait][1](all.traits[trait])}</td></tr>`)}
      ${!out.length && html`<tr><td colspan="3" class="note">Nothing: like the average visitor.</td></tr>`}</tbody></table>
    <h3>When they come <span class="note">${zone(answer)}</span></h3>
    <${Hours} own=${one.hours} all=${all.hours} title=${one.title} />
    <p class="note">${busiest(one.weekdays)}</p>
    <h3>How they buy</h3>
    <p>${fmt.pct(one.bought_share)} bought <span class="note">[${fmt.pct(one.bought_ci[0])}, ${fmt.pct(one.bought_ci[1])}]; all ${fmt.pct(all.bought_share)}</span>${one.business_like && html` <${Pill} tone="accent" title="Most orders in office hours, several units more often">orders as businesses do<//>`}</p>
    <p class="note">${buying(one)}</p>
    <footer><a href=${address("journey", [], { persona: one.persona })}>Their journeys</a><code>${one.persona}</code></footer></section>`;
}

const zone = (answer) => (answer.utc_offset_h ? `UTC${answer.utc_offset_h > 0 ? "+" : "−"}${Math.abs(answer.utc_offset_h)}` : "UTC");

function buying(one) {
  if (!one.how) return one.buyers ? `${fmt.n(one.buyers)} buyers: too few to tell how they buy.` : "Nobody of them bought.";
  const { how } = one;
  const parts = [
    `${fmt.pct(how.in_first_visit, 0)} in the first visit`,
    how.days_to_order >= 1 ? `half within ${fmt.dec(how.days_to_order, 1)} days` : how.days_to_order * 24 >= 1 ? `half within ${fmt.dec(24 * how.days_to_order, 1)} hours` : `half within ${fmt.n(Math.max(1, 24 * 60 * how.days_to_order))} minutes`,
    `${fmt.pct(how.in_office_hours, 0)} in office hours, ${fmt.pct(how.in_the_evening, 0)} in the evening`,
    `${fmt.dec(how.orders_each, 1)} orders each`,
  ];
  if (how.order_value) parts.push(`a typical order is ${fmt.n(how.order_value)}`);
  if (how.several_units > 0) parts.push(`${fmt.pct(how.several_units, 0)} with three units or more of one product`);
  return `${fmt.n(one.buyers)} buyers: ${parts.join("; ")}.`;
}

function busiest(weekdays) {
  const at = weekdays.indexOf(Math.max(...weekdays));
  const weekend = weekdays[5] + weekdays[6];
  return `Most on ${DAYS[at]}; ${fmt.pct(weekend, 0)} at the weekend (two days of seven are 29 %).`;
}

function Hours({ own, all, title }) {
  const most = Math.max(...own, ...all, 0.001);
  const y = (value) => 40 - (38 * value) / most;
  const line = all.map((value, at) => `${at * 10 + 5},${y(value).toFixed(1)}`).join(" ");
  const peak = own.indexOf(Math.max(...own));
  return html`<figure class="hours"><svg viewBox="0 0 240 52" role="img" aria-label=${`When ${title} come, by hour: most at ${peak} o'clock; the line is all visitors`}>
    ${own.map((value, at) => html`<rect x=${at * 10 + 1} y=${y(value)} width="8" height=${40 - y(value)} rx="1"><title>${`${at}–${at + 1} h: ${fmt.pct(value)}; all ${fmt.pct(all[at])}`}</title></rect>`)}
    <polyline points=${line} />${[0, 6, 12, 18].map((at) => html`<text x=${at * 10 + 1} y="51">${at} h</text>`)}</svg></figure>`;
}

function Side({ answer }) {
  const columns = [
    { id: "trait", label: "Trait", cell: (row) => TRAITS[row][0] },
    ...answer.personas.map((one) => ({ id: one.persona, label: one.title, num: true, cell: (row) => TRAITS[row][1](one.traits[row]) })),
    { id: "all", label: "All", num: true, cell: (row) => html`<span class="note">${TRAITS[row][1](answer.everybody.traits[row])}</span>` },
  ];
  const left = Object.keys(TRAITS).filter((trait) => !answer.traits.includes(trait));
  return html`<${Card} flush title="Side by side" note="averages; of times, counts and prices geometric ones"><${Table} caption="Traits side by side" columns=${columns} rows=${answer.traits} rowKey=${(row) => row} />
    ${left.length > 0 && html`<p class="note foot">Left out, as visitors of this shop do not differ in them or it does not send them: ${left.map((trait) => TRAITS[trait][0].toLowerCase()).join(", ")}.</p>`}<//>`;
}

function Use({ answer }) {
  const tried = answer.tried.map((one) => `${one.personas}: ${fmt.dec(one.rand)} [${fmt.dec(one.rand_ci[0])}, ${fmt.dec(one.rand_ci[1])}]`).join(" · ");
  const overlap = answer.personas.map((one) => `${one.persona} ${fmt.dec(one.jaccard)}`).join(" · ");
  const how = answer.in_use ? html`<p>In use are <strong>${answer.in_use.names.map(named).join(", ")}</strong>. They keep their names as long as at least half of their visitors stay the same. In a policy: <code>${`when: visitor.persona == "${answer.in_use.names[0]}"`}</code>. Mind <em>Known early</em>: a rule speaks when a visitor is there, and most personas show late.</p>`
    : answer.verdict === "stable" ? html`<p>Not in use yet. <code>tact personas --publish</code> puts them in use: names then stay from run to run, and rules may ask for <code>visitor.persona</code>.</p>`
      : html`<p>They cannot be put in use: a name that means somebody else tomorrow is no use to a rule.</p>`;
  return html`<${Card} title="In use, and how they were found">${how}
    <p class="note foot">How many: the most that are stable. Adjusted Rand index of the numbers tried: ${tried}. Overlap of each persona with its like in 20 bootstraps (below 0.6 is not trusted): ${overlap}. What was bought is no trait, so whether a persona buys is not true by definition. A persona is read from the last events and may change as a visitor goes on.</p><//>`;
}
