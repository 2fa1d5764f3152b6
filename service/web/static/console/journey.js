// Journey map: channels, stages and outcomes as flows; friction; where sessions stop; what messages add at each stage.
import { AsOf, Card, Empty, Interval, Lake, Page, Period, Pill, Select, Stat, Stats, Table, address, fmt, html, named, navigate, script, useEffect, useLake, useLater, useLayoutEffect, useMemo, useRef, useState, withParams } from "./kit.js";

// The service sends it with this module.
const library = globalThis.d3?.sankey ? Promise.resolve() : Promise.all(["d3-array.js", "d3-path.js", "d3-shape.js", "d3-sankey.js"].map(script));

const SAY = {
  hindsight: "Stages in hindsight: what the rest of each session showed, known only afterwards.",
  scored: "Stages as scored at the time: what the live models named at each decision.",
};

export default function Journey({ route }) {
  const { period, channel, device, persona, stages, from, to } = route.params;
  const which = { period, channel, device, persona, stages };
  const found = useLake("journey_map", which, 60);
  const tools = html`<${AsOf} told=${found.told} />`;
  return html`<${Page} title="Journey map" lead="Where visitors come in, which stages they pass, where they stop, and what helps." actions=${tools}>
    <${Filters} route=${route} answer=${found.answer} />
    <${Lake} of=${found} missing="No journeys yet">${(answer) => html`<${Picture} ...${{ route, answer, which, from, to }} />`}<//><//>`;
}

function Filters({ route, answer }) {
  const [kept, keep] = useState(null);
  useEffect(() => { if (answer) keep(answer.filters); }, [answer]);
  const set = (name) => (value) => navigate(withParams(route, { [name]: value, from: "", to: "" }));
  const options = (name, all) => [["", all], ...(kept?.[name] || []).map((one) => [one.name, `${named(one.name)} (${fmt.n(one.sessions)})`])];
  const given = (name) => route.params[name] || "";
  const listed = (name) => { const found = kept?.[name] || []; return given(name) && !found.some((one) => one.name === given(name)) ? [...options(name, "All"), [given(name), named(given(name))]] : options(name, "All"); };
  return html`<div class="strip filters"><${Period} route=${route} />
    ${["channel", "device", "persona"].map((name) => (kept?.[name]?.length || given(name)) ? html`<${Select} label=${named(name)} value=${given(name)} options=${listed(name)} onChange=${set(name)} />` : null)}
    <${Select} label="Stages" value=${given("stages")} options=${[["", "In hindsight"], ["scored", "As scored at the time"]]} onChange=${set("stages")} />
    ${kept && !kept.persona.length && !given("persona") && html`<a class="note" href="/console/personas">Find personas to choose by them</a>`}</div>`;
}

function Picture({ route, answer, which, from, to }) {
  const later = useLater();
  const outcome = Object.fromEntries(answer.outcomes.map((one) => [one.outcome, one]));
  const left = (outcome.cart_left?.sessions || 0) + (outcome.checkout_left?.sessions || 0);
  const scored = answer.stages === "scored";
  const lacks = (what) => answer.missing.some((one) => one.what === what);
  if (!answer.sessions) return html`<${Empty} title="No session of this kind has ended"><p>${scored ? "Stages as scored need decisions in the period; in hindsight every session has them." : "A session counts once 30 minutes have passed without an event."} ${fmt.n(answer.unended)} are still going on. Choose a longer period or other filters.</p><//>`;
  return html`<${Stats}>
      <${Stat} label="Sessions" value=${fmt.n(answer.sessions)} note=${`${fmt.day(Date.parse(answer.since))} – ${fmt.day(Date.parse(answer.until))}`} />
      <${Stat} label="Visitors" value=${fmt.n(answer.visitors)} note=${`${fmt.dec(answer.events / answer.sessions, 1)} events a session`} />
      <${Stat} label="Bought" value=${lacks("purchase") ? "–" : fmt.rate(outcome.bought?.sessions || 0, answer.sessions)} note=${lacks("purchase") ? "no purchases are sent" : outcome.bought ? `95 % interval ${fmt.pct(outcome.bought.share_ci[0])} – ${fmt.pct(outcome.bought.share_ci[1])}` : "no session with a purchase"} />
      <${Stat} label="Left with a cart" value=${lacks("cart") && !left ? "–" : fmt.rate(left, answer.sessions)} note=${lacks("cart") && !left ? "no cart events are sent" : `${fmt.n(left)} sessions, ${fmt.n(outcome.checkout_left?.sessions || 0)} in the checkout`} />
      <${Stat} label="Dead ends" value=${fmt.n(answer.dead_ends.length)} note=${`of ${fmt.n(answer.judged.places + answer.judged.products)} places judged`} tone=${answer.dead_ends.length ? "warn" : ""} /><//>
    <${Missing} answer=${answer} />
    <${Card} title="Flows" note=${SAY[answer.stages]}>
      <${Sankey} answer=${answer} from=${from} to=${to} onPick=${(source, target) => navigate(withParams(route, { from: source, to: target || "" }))} />
      <p class="note foot">Every session runs through once. The figure under a stage is how many of its sessions ended there without a purchase (visits after a sale are not counted as such). Choose a flow or a stage for sample visitors.
        ${answer.cut ? ` ${fmt.n(answer.cut)} sessions changed stage more often than is drawn.` : ""}${answer.unended ? ` Still going on and left out: ${fmt.n(answer.unended)}.` : ""}${scored ? ` Without a decision and left out: ${fmt.n(answer.unscored)}.` : ""}</p>
      <${AllFlows} route=${route} answer=${answer} /><//>
    ${from && html`<${Paths} key=${`${from}>${to}`} ...${{ route, answer, which, from, to }} />`}
    ${later && html`<${Friction} answer=${answer} /><${Stops} answer=${answer} />
      <${Lifts} period=${which.period} filtered=${Boolean(which.channel || which.device || which.persona)} />`}`;
}

function Missing({ answer }) {
  if (!answer.missing.length) return null;
  return html`<details class="missing"><summary>${answer.missing.length === 1 ? "One thing" : `${answer.missing.length} things`} this picture does without</summary>
    <ul>${answer.missing.map((one) => html`<li>${one.words[0].toUpperCase() + one.words.slice(1)}.</li>`)}</ul></details>`;
}

// ---- the flows ---------------------------------------------------------------------------------------------------

const NODE = 12;
const label = (node) => (node.kind === "channel" ? named(node.name) : named(node.label));
const tone = (node) => (node.kind !== "outcome" ? node.kind : node.name === "bought" ? "good" : node.name === "after_sale" ? "calm" : "lost");

function useWidth(box) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    setWidth(Math.floor(box.current.clientWidth)); // at once: the observer speaks after the first picture
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

function Sankey({ answer, from, to, onPick }) {
  const box = useRef(null);
  const width = useWidth(box);
  const [ready, setReady] = useState(Boolean(globalThis.d3?.sankey));
  const [over, setOver] = useState(null);
  useLayoutEffect(() => { library.then(() => setReady(true)); }, []);
  const upright = width > 0 && width < 640; // a phone: columns become rows
  const drawn = useMemo(() => (ready && width ? layout(answer, width, upright) : null), [ready, width, answer]);
  return html`<div class="sankey" ref=${box}>${drawn ? html`<${Drawn} ...${{ answer, drawn, upright, width, over, setOver, from, to, onPick }} />` : html`<div class="sankey-space"></div>`}</div>`;
}

function layout(answer, width, upright) {
  const columns = [...new Set(answer.nodes.map((node) => node.column))].sort((a, b) => a - b);
  const most = Math.max(...columns.map((column) => answer.nodes.filter((node) => node.column === column).length));
  const height = upright ? 150 * columns.length : Math.max(380, 46 * most);
  const [long, wide] = upright ? [height, width] : [width, height];
  const make = globalThis.d3.sankey().nodeId((node) => node.id).nodeWidth(NODE).nodePadding(upright ? 14 : 26)
    .nodeAlign((node) => columns.indexOf(node.column)).nodeSort(null).linkSort(null)
    .extent([[1, upright ? 6 : 40], [long - (upright ? 46 : 168), wide - (upright ? 6 : 14)]]);
  const graph = make({ nodes: answer.nodes.map((node) => ({ ...node })), links: answer.links.map((link) => ({ ...link, value: link.sessions })) });
  return { ...graph, height };
}

function Drawn({ answer, drawn, upright, width, over, setOver, from, to, onPick }) {
  const lit = (link) => (over ? over === link || over === link.source || over === link.target : from ? (to ? link.source.id === from && link.target.id === to : link.source.id === from || link.target.id === from) : null);
  const total = answer.sessions;
  const keys = (go) => (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); go(); } };
  const heads = upright ? [] : [...new Map(drawn.nodes.map((node) => [node.column, node])).values()];
  const head = (node) => (node.kind === "channel" ? "Came by" : node.kind === "outcome" ? "Ended as" : node.column === 1 ? "First stage" : "Next stage");
  return html`<svg width=${width} height=${drawn.height} viewBox="0 0 ${width} ${drawn.height}" role="group" aria-label="Flows of sessions from channels through stages to outcomes; the same stands in the table below">
    <g class="heads" aria-hidden="true">${heads.map((node) => html`<text x=${node.x0} y="12">${head(node)}</text>`)}</g>
    <g class="links">${drawn.links.map((link) => html`<path class="flow ${tone(link.target)} ${lit(link) === true ? "lit" : lit(link) === false ? "dim" : ""}" d=${ribbon(link, upright)} stroke-width=${Math.max(1, link.width)}
      onMouseEnter=${() => setOver(link)} onMouseLeave=${() => setOver(null)} onClick=${() => onPick(link.source.id, link.target.id)}><title>${`${label(link.source)} → ${label(link.target)}: ${fmt.n(link.sessions)} sessions, ${fmt.pct(link.sessions / total)} of all`}</title></path>`)}</g>
    <g>${drawn.nodes.map((node) => html`<g class="node ${tone(node)} ${from === node.id && !to ? "picked" : ""}" role="link" tabindex="0" aria-label=${`${label(node)}: ${fmt.n(node.sessions)} sessions${node.stopped_share ? `, ${fmt.pct(node.stopped_share, 0)} end here` : ""}`}
      onMouseEnter=${() => setOver(node)} onMouseLeave=${() => setOver(null)} onClick=${() => onPick(node.id)} onKeyDown=${keys(() => onPick(node.id))}>
      ${rect(node, upright)}${text(node, upright, width)}<title>${tip(node, total)}</title></g>`)}</g></svg>`;
}

function ribbon({ source, target, y0, y1 }, upright) {
  const [a, b, middle] = [source.x1, target.x0, (source.x1 + target.x0) / 2];
  return upright ? `M${y0},${a}C${y0},${middle} ${y1},${middle} ${y1},${b}` : `M${a},${y0}C${middle},${y0} ${middle},${y1} ${b},${y1}`;
}

function rect(node, upright) {
  const [x, y, w, h] = upright ? [node.y0, node.x0, node.y1 - node.y0, NODE] : [node.x0, node.y0, NODE, node.y1 - node.y0];
  return html`<rect x=${x} y=${y} width=${Math.max(1.5, w)} height=${Math.max(1.5, h)} rx="1.5" />`;
}

const stops = (node) => (node.stopped_share > 0 ? `${fmt.pct(node.stopped_share, 0)} end here` : "");

function text(node, upright, width) {
  if (upright) {
    const room = node.y1 - node.y0;
    if (room < 34) return null;
    const words = label(node).slice(0, Math.max(3, Math.floor(room / 6.2)));
    const x = Math.min(Math.max((node.y0 + node.y1) / 2, 4), width - 4);
    return html`<text x=${x} y=${node.x1 + 13} text-anchor="middle" class="name">${words.length < label(node).length ? `${words.slice(0, -1)}…` : words}</text>
      <text x=${x} y=${node.x1 + 26} text-anchor="middle" class="count">${fmt.n(node.sessions)}</text>${room > 84 && stops(node) && html`<text x=${x} y=${node.x1 + 39} text-anchor="middle" class="stops">${stops(node)}</text>`}`;
  }
  const y = (node.y0 + node.y1) / 2 - (stops(node) ? 6 : 0);
  return html`<text x=${node.x1 + 6} y=${y + 4} class="name">${label(node)} <tspan class="count">${fmt.n(node.sessions)}</tspan></text>${stops(node) && html`<text x=${node.x1 + 6} y=${y + 18} class="stops">${stops(node)}</text>`}`;
}

function tip(node, total) {
  const share = `${fmt.n(node.sessions)} sessions, ${fmt.pct(node.sessions / total)} of all`;
  const end = node.stopped_ci ? `\n${fmt.n(node.stopped)} ended here without a purchase: ${fmt.pct(node.stopped_share)} [${fmt.pct(node.stopped_ci[0])}, ${fmt.pct(node.stopped_ci[1])}]` : node.kind === "stage" ? "\nToo few sessions for a share" : "";
  return `${label(node)}: ${share}${end}`;
}

// Hundreds of cells that most readers never open: made when somebody does.
function AllFlows({ route, answer }) {
  const [open, setOpen] = useState(false);
  const nodes = Object.fromEntries(answer.nodes.map((node) => [node.id, node]));
  const place = (node) => `${label(node)}${node.kind === "stage" ? ` (${node.column})` : ""}`;
  const columns = [
    { id: "from", label: "From", sort: (row) => place(nodes[row.source]), cell: (row) => place(nodes[row.source]) },
    { id: "to", label: "To", sort: (row) => place(nodes[row.target]), cell: (row) => place(nodes[row.target]) },
    { id: "n", label: "Sessions", num: true, sort: (row) => row.sessions, cell: (row) => fmt.n(row.sessions) },
    { id: "share", label: "Of what comes from there", num: true, cell: (row) => fmt.rate(row.sessions, nodes[row.source].sessions) },
    { id: "see", label: "Visitors", cell: (row) => html`<a href=${withParams(route, { from: row.source, to: row.target })}>Sample paths</a>` },
  ];
  return html`<details class="all-flows" onToggle=${(event) => setOpen(event.target.open)}><summary>All ${fmt.n(answer.links.length)} flows as a table</summary>${open && html`<${Table} caption="All flows" columns=${columns} rows=${answer.links} rowKey=${(row) => `${row.source}>${row.target}`} />`}</details>`;
}

// ---- sample paths ------------------------------------------------------------------------------------------------

function Paths({ route, answer, which, from, to }) {
  const found = useLake("journey_paths", { ...which, source: from, target: to }, 300);
  const box = useRef(null);
  useEffect(() => { box.current?.scrollIntoView({ block: "nearest" }); }, []);
  const nodes = Object.fromEntries(answer.nodes.map((node) => [node.id, node]));
  const title = [from, to].filter(Boolean).map((id) => (nodes[id] ? label(nodes[id]) : id)).join(" → ");
  return html`<div ref=${box} class="paths-box"><${Card} title=${`Sample visitors: ${title}`} note="always the same ones, chosen by a hash; names are aliases" tools=${html`<a class="button" href=${withParams(route, { from: "", to: "" })}>Close</a>`}>
    <${Lake} of=${found}>${(told) => told.paths.length ? html`<p class="note">${fmt.n(told.paths.length)} of ${fmt.n(told.sessions)} sessions, each of another visitor. Times count from the first step.</p>
      <div class="paths">${told.paths.map((path) => html`<${Path} key=${path.visitor + path.start} path=${path} />`)}</div>` : html`<${Empty} title="No session runs through here"><p>The filters changed what is drawn: choose a flow again.</p><//>`}<//><//></div>`;
}

const clock = (s) => (s < 3600 ? `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}` : `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}`);

function Path({ path }) {
  const facts = [path.channel && named(path.channel), path.device && named(path.device)].filter(Boolean).join(", ");
  return html`<article class="path"><header><span class="mono">${path.visitor}</span><span class="note">${fmt.minute(Date.parse(path.start))}${facts && ` · ${facts}`}</span></header>
    <ol tabindex="0" aria-label=${`Steps of visitor ${path.visitor}`}>${path.steps.map((step, at) => html`<li><time class="tabular note">${clock(step.at_s)}</time><span class="step"><span>${named(step.label)}</span>${step.item && html` <span class="note">${step.item}</span>`}</span>
      <span class="note stage">${at === 0 || path.steps[at - 1].stage !== step.stage ? step.stage : ""}</span></li>`)}${path.more_steps > 0 && html`<li class="note">and ${fmt.n(path.more_steps)} more steps</li>`}</ol>
    <footer><${Pill} tone=${path.outcome === "bought" ? "good" : ""}>${path.outcome}<//>${path.came_back && html`<span class="note">came again later</span>`}</footer></article>`;
}

// ---- friction, stops, lift ---------------------------------------------------------------------------------------

function Friction({ answer }) {
  const blind = answer.missing.filter((one) => ["errors", "search", "policy"].includes(one.what));
  if (!answer.moments.length) return html`<${Card} title="Moments of friction"><${Empty} title=${blind.length === 3 ? "This shop sends nothing that could be friction" : "No friction in these sessions"}>${blind.length ? html`<p>${blind.map((one) => one.words).join("; ")}.</p>` : null}<//><//>`;
  const after = (row) => row.next.slice(0, 4);
  const columns = [
    { id: "m", label: "Moment", cell: (row) => html`<strong>${named(row.label)}</strong>` },
    { id: "n", label: "Sessions", num: true, sort: (row) => row.sessions, cell: (row) => html`<span class="two">${fmt.n(row.sessions)}<span class="note">${fmt.pct(row.share)} of all</span></span>` },
    { id: "next", label: "What came next", cell: (row) => html`<span class="next"><${NextBar} row=${row} /><span class="note">${after(row).map((one) => `${one.label} ${fmt.rate(one.sessions, row.sessions, 0)}`).join(" · ")}</span></span>` },
    { id: "b", label: "Still bought", num: true, title: "In the same session, after the moment; with its 95 % interval", sort: (row) => row.bought_share ?? -1, cell: (row) => row.bought_ci ? html`<span class="two">${fmt.pct(row.bought_share, 0)}<span class="note">${fmt.pct(row.bought_ci[0], 0)} – ${fmt.pct(row.bought_ci[1], 0)}</span></span>` : html`<span class="note">${fmt.n(row.bought)}, too few for a share</span>` },
    { id: "c", label: "Others came again", num: true, title: "Of those who did not buy", cell: (row) => row.came_back_share === null ? html`<span class="note">too few</span>` : fmt.pct(row.came_back_share, 0) },
  ];
  return html`<${Card} flush title="Moments of friction" note="and what visitors did next"><${Table} caption="Moments of friction" columns=${columns} rows=${answer.moments} rowKey=${(row) => row.moment} />
    <p class="note foot">Descriptions, not causes: who meets an error in the checkout was about to buy.${blind.length ? ` Unseen in this shop: ${blind.map((one) => one.words).join("; ")}.` : ""}</p><//>`;
}

function NextBar({ row }) {
  let at = 0;
  const left = row.next.find((one) => one.label === "left")?.sessions || 0;
  const parts = [["gone", left], ["on", row.sessions - left]].map(([name, n]) => { const x = at; at += (100 * n) / row.sessions; return html`<rect class=${name} x=${x} width=${(100 * n) / row.sessions} height="6" />`; });
  return html`<svg class="next-bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=${`${fmt.rate(left, row.sessions, 0)} left, the others went on`}>${parts}</svg>`;
}

const FIRST_PLACES = 10;
const MOST_PLACES = 60;

function Stops({ answer }) {
  const [all, setAll] = useState(false);
  const others = [...answer.places, ...answer.products].filter((one) => one.ratio !== null && !one.dead_end);
  const rows = [...answer.dead_ends, ...others].slice(0, all ? MOST_PLACES : FIRST_PLACES);
  const hidden = Math.min(MOST_PLACES, answer.dead_ends.length + others.length) - rows.length;
  const none = html`<${Empty} title="No place has visitors enough to be judged"><p>A place needs ${answer.judged.least_visitors} visitors and ${answer.judged.least_stops} sessions that stop there, and others at the same depth to be compared with.</p><//>`;
  const columns = [
    { id: "p", label: "Place", cell: (row) => html`<span class="two"><span class="wrap">${named(row.label)}</span>${row.dead_end && html`<span><${Pill} tone="bad">dead end<//></span>`}</span>` },
    { id: "n", label: "Passed", num: true, sort: (row) => row.passed, cell: (row) => fmt.n(row.passed) },
    { id: "s", label: "Stop here", num: true, title: "Of the passes that can be compared", sort: (row) => row.share, cell: (row) => fmt.pct(row.share, 0) },
    { id: "e", label: "Expected", num: true, title: "At the same depth, with a cart open as often, on the same device, with visitors known or new", cell: (row) => fmt.pct(row.expected_share, 0) },
    { id: "r", label: "Times as many", title: "Stopped against expected, with its 95 % interval; the dashed line is 1", sort: (row) => row.ratio, cell: (row) => html`<span class="lift"><${Interval} low=${row.ratio_ci[0] - 1} high=${row.ratio_ci[1] - 1} value=${row.ratio - 1} scale=${1.2} tone=${row.dead_end ? "bad" : ""} label=${`${fmt.dec(row.ratio)} times as many as expected`} /><span class="tabular">${fmt.dec(row.ratio)} [${fmt.dec(row.ratio_ci[0])}, ${fmt.dec(row.ratio_ci[1])}]</span></span>` },
  ];
  const tools = hidden > 0 || all ? html`<button type="button" class="plain" onClick=${() => setAll(!all)}>${all ? "Fewer" : `${fmt.n(hidden)} more`}</button>` : null;
  return html`<${Card} flush title="Where sessions stop without an outcome" note=${`${fmt.n(answer.judged.places)} kinds of page, ${fmt.n(answer.judged.products)} products judged`} tools=${tools}>
    ${rows.length ? html`<${Table} caption="Where sessions stop" columns=${columns} rows=${rows} rowKey=${(row) => row.id} />` : none}
    <p class="note foot">Late in a session more visitors stop than early, so each place is compared with what is expected at the same points of a session. A dead end is at least a quarter above that, and passes a test that allows for how many places were looked at. It says where, not why.</p><//>`;
}

function Lifts({ period, filtered }) {
  const found = useLake("journey_lift", { period }, 120);
  const note = filtered ? "all visitors: filters do not apply here" : "visitors with messages against the holdout";
  return html`<${Card} title="What messages add at each stage" note=${note}>
    <${Lake} of=${found}>${(told) => Object.keys(told.stages).length ? html`<${LiftRows} stages=${told.stages} />` : html`<${Empty} title="No decision yet"><p>Lift needs decisions: the shop's pages ask <code>POST /v1/decisions</code>, and some visitors are in the holdout.</p><//>`}<//>
    <p class="note foot">Conversion of visitors from their first decision in a stage, as scored then. Earlier messages may change who reaches a later stage; where the arms are visibly not alike, it is not to be read. More under <a href="/console/experiments">Experiments</a>.</p><//>`;
}

function LiftRows({ stages }) {
  const rows = Object.entries(stages).map(([stage, one]) => ({ stage, ...one, told: one.lift && !one.ratio?.alarm && one.lift.verdict !== "no result yet" ? one.lift : null }));
  const scale = Math.max(0.01, ...rows.filter((row) => row.told).map((row) => Math.max(Math.abs(row.told.lift_ci[0]), Math.abs(row.told.lift_ci[1]))));
  return html`<ul class="lifts">${rows.map((row) => html`<li><h3>${named(row.stage)}</h3><span class="note tabular">${fmt.n(row.visitors.full || 0)} with messages, ${fmt.n(row.visitors.holdout || 0)} in the holdout</span>
    ${row.told ? html`<${Interval} low=${row.told.lift_ci[0]} high=${row.told.lift_ci[1]} value=${row.told.lift} scale=${scale} tone=${row.told.lift_ci[0] > 0 ? "good" : row.told.lift_ci[1] < 0 ? "bad" : ""} label=${`Lift in ${row.stage}: ${fmt.signed(100 * row.told.lift, 1)} points`} /><span class="tabular">${fmt.signed(100 * row.told.lift, 1)} points [${fmt.signed(100 * row.told.lift_ci[0], 1)}, ${fmt.signed(100 * row.told.lift_ci[1], 1)}]</span>` : null}
    <span class=${row.ratio?.alarm ? "bad" : "note"}>${row.words}</span>
    ${row.actions.length > 0 && html`<span class="note wrap">most chosen: ${row.actions.slice(0, 3).map((one, at) => html`${at ? ", " : ""}<a href=${address("messages", [one.action])}>${one.action}</a>`)}</span>`}</li>`)}</ul>`;
}
