// Two texts line by line: what went, what came, and three lines around.
import { html, useMemo } from "./kit.js";

const AROUND = 3;
const MOST = 4000;

export function Diff({ before, after }) {
  const rows = useMemo(() => around(lines(before.split("\n"), after.split("\n"))), [before, after]);
  if (!rows.length) return html`<p class="note">The same, line for line.</p>`;
  return html`<div class="diff" role="table" aria-label="Differences">${rows.map((row) => (row.gap ? html`<div class="gap">⋯</div>` : html`<div class=${row.kind}><span class="tabular">${row.old ?? ""}</span><span class="tabular">${row.now ?? ""}</span><code>${row.kind === "came" ? "+" : row.kind === "went" ? "−" : " "} ${row.text}</code></div>`))}</div>`;
}

// The longest common subsequence of what differs between the equal ends.
export function lines(a, b) {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const same = (text, old, now) => ({ kind: "same", text, old: old + 1, now: now + 1 });
  return [...a.slice(0, head).map((text, at) => same(text, at, at)), ...middle(x, y, head), ...a.slice(a.length - tail).map((text, at) => same(text, a.length - tail + at, b.length - tail + at))];
}

function middle(x, y, from) {
  const went = (at) => ({ kind: "went", text: x[at], old: from + at + 1 });
  const came = (at) => ({ kind: "came", text: y[at], now: from + at + 1 });
  if (x.length * y.length > MOST * MOST) return [...x.map((_, at) => went(at)), ...y.map((_, at) => came(at))];
  const best = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
  for (let i = x.length - 1; i >= 0; i -= 1) for (let j = y.length - 1; j >= 0; j -= 1) best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const rows = [];
  let [i, j] = [0, 0];
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) { rows.push({ kind: "same", text: x[i], old: from + i + 1, now: from + j + 1 }); i += 1; j += 1; }
    else if (i < x.length && (j >= y.length || best[i + 1][j] >= best[i][j + 1])) { rows.push(went(i)); i += 1; }
    else { rows.push(came(j)); j += 1; }
  }
  return rows;
}

function around(rows) {
  const near = new Set(rows.flatMap((row, at) => (row.kind === "same" ? [] : Array.from({ length: 2 * AROUND + 1 }, (_, k) => at - AROUND + k))));
  const found = [];
  rows.forEach((row, at) => {
    if (near.has(at)) found.push(row);
    else if (found.length && !found[found.length - 1].gap) found.push({ gap: true });
  });
  if (found[found.length - 1]?.gap) found.pop();
  return found;
}
