"""What every part of the report is written with: tables, pictures, sentences about intervals, and the page's style.

No scripts, no other files; light and dark by the reader's own setting; wide tables scroll in their own frame, so that a
phone never scrolls the page sideways.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import count, zip_longest
from typing import Any, Final

from training.pictures import name_of

Figures = Mapping[str, Any]

_STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2a26;--soft:#586761;--line:#dbe4df;--card:#f5f8f6;
--ours:#0b6e4f;--second:#3066be;--third:#b07d05;--fourth:#8d4fa8;--quiet:#8a9490;--bad:#a5321f;--good:#0b6e4f;--warn:#8a5a00}
@media (prefers-color-scheme:dark){:root{--paper:#121816;--ink:#e3ebe7;--soft:#9fb0a8;--line:#2f3b36;--card:#1a2320;
--ours:#4fc79a;--second:#7aa5f0;--third:#dcae45;--fourth:#c493dc;--quiet:#7f8c87;--bad:#ff8f7a;--good:#4fc79a;--warn:#e2b154}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:64rem;margin:0 auto;
padding:1.5rem 1rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:.5rem 0 .3rem}
h2{font-size:1.3rem;margin:3rem 0 .4rem;border-top:3px solid var(--ours);padding-top:.7rem}
h3{font-size:1.02rem;margin:1.6rem 0 .2rem}
p{margin:.5rem 0;max-width:48rem}
a{color:var(--ours)}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0;font-size:.92rem}
.frame{overflow-x:auto;margin:.8rem 0 1.2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93rem}
th,td{padding:.3rem .75rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th{font-weight:600;color:var(--soft)}
th:first-child,td:first-child{text-align:left;padding-left:.3rem}
th:first-child,td:first-child{position:sticky;left:0;background:var(--paper)}
table.words td,table.words th{text-align:left}
table.words td:last-child{white-space:normal;min-width:15rem}
tr.ours td,tr.ours td:first-child{font-weight:650;background:var(--card)}
.dense .ci{display:block}
@media (max-width:48rem){.ci{display:block}th,td{padding:.3rem .5rem}table{font-size:.88rem}th{white-space:normal}
td:first-child{white-space:normal;min-width:6.5rem}table.words td:first-child{white-space:nowrap;min-width:0}}
@media (max-width:30rem){table.stack,table.stack tbody,table.stack tr{display:block}table.stack tr.head{display:none}
table.stack tr{border-bottom:1px solid var(--line);padding:.4rem 0}
table.stack td,table.stack td:last-child{display:flex;gap:1rem;justify-content:space-between;text-align:right;border:0;
padding:.1rem .3rem;white-space:normal;min-width:0}
table.stack td:first-child{font-weight:650}table.stack td:empty{display:none}
table.stack td::before{content:attr(data-head);color:var(--soft);text-align:left}
table.said td,table.said td:last-child{display:block;text-align:left}table.said td::before{display:none}}
.quiet{color:var(--soft);font-size:.88rem;font-weight:400}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
ul.lead{list-style:none;padding:0;display:grid;gap:.7rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
ul.lead li{background:var(--card);border-left:4px solid var(--ours);padding:.7rem .9rem;border-radius:.25rem;
font-size:.95rem}
ul.lead li.bad{border-color:var(--bad);color:inherit}ul.lead li.none{border-color:var(--quiet)}
ul.lead b{display:block;font-size:1.02rem}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.4rem;margin:1rem 0}
figure{margin:0;min-width:0}figcaption{font-size:.87rem;color:var(--soft);margin-top:.2rem}
svg{display:block;width:100%;height:auto;max-width:32rem;font-family:system-ui,sans-serif}
td.cell{text-align:center;min-width:3.4rem}
@media print{nav{display:none}h2{break-after:avoid}figure{break-inside:avoid}}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole document."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    body = _numbered("\n".join(part for part in parts if part))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _numbered(body: str) -> str:
    """Ids of each drawing with its place on the page: two may be the same, their ids must not."""
    number = count(1)

    def own(drawing: re.Match[str]) -> str:
        return re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>d{next(number)}-", drawing.group())

    return re.sub(r"<svg.*?</svg>", own, body, flags=re.DOTALL)


def section(name: str, title: str, *parts: str) -> str:
    """A part with a heading that the contents lead to."""
    return f'<h2 id="{name}">{escape(title)}</h2>' + "".join(parts)


def contents(titles: Mapping[str, str]) -> str:
    """Links to the sections."""
    return "<nav>" + "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in titles.items()) + "</nav>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", ours: str = "") -> str:
    """A table of cells that are HTML already. ours: the first cell of the row that stands out.

    kind: `words` for sentences; `stack` for rows that on a phone stand as blocks, each figure with its heading, or
    without with `said`.
    """
    top = '<tr class="head">' + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr>" if any(head) else ""
    stacked = "stack" in kind.split() and any(head)
    names = [f' data-head="{escape(cell)}"' for cell in head] if stacked else []
    body = "".join(
        f"<tr{' class=ours' if ours and row[0] == ours else ''}>"
        + "".join(f"<td{name}>{cell}</td>" for name, cell in zip_longest(names, row, fillvalue=""))
        + "</tr>"
        for row in rows
    )
    return f'<div class="frame"><table class="{kind}">{top}{body}</table></div>'


def picture(drawn: str, caption: str) -> str:
    """A drawing with what it shows."""
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def row(figures: Iterable[str]) -> str:
    """Pictures beside each other where there is room."""
    return f'<div class="row">{"".join(figures)}</div>'


def grid(models: Mapping[str, Figures], measures: Mapping[str, str], head: str = "", kind: str = "") -> str:
    """A row per model, each figure with its interval; ours stands out. measures: headings by key.

    Models without any of the figures are named below with the reason: in cells it would push the figures aside.
    """
    empty = [name for name, one in models.items() if all(one.get(measure) is None for measure in measures)]
    kept = {name: one for name, one in models.items() if name not in empty} if len(empty) < len(models) else models
    rows = [(name_of(name), *(cell(one, measure) for measure in measures)) for name, one in kept.items()]
    reasons = [f"{name_of(name)}: {models[name].get('reason', 'no figures')}" for name in empty if kept is not models]
    below = f'<p class="quiet">Without figures: {escape("; ".join(reasons))}.</p>' if reasons else ""
    return table((head, *measures.values()), rows, kind, name_of("tact")) + below


def cell(one: Figures, measure: str) -> str:
    """A figure with its interval, or why there is none."""
    value = one.get(measure)
    if value is None:
        return f'<span class="quiet">{escape(str(one.get("reason", "–")))}</span>'
    return f'{figure(value)}&nbsp;<span class="quiet ci">{span(one.get(f"{measure}_ci"))}</span>'


def figure(value: float) -> str:
    """A figure to three digits that matter."""
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"


def span(limits: Sequence[float | None] | None, sign: bool = False) -> str:
    """An interval; with sign, one of a difference."""
    if limits is None or None in limits:
        return ""
    return f"[{limits[0]:+.3f}, {limits[1]:+.3f}]" if sign else f"[{limits[0]:.3f}, {limits[1]:.3f}]"


def verdict(limits: Sequence[float | None] | None, more_is_better: bool = True) -> str:
    """What an interval of a difference lets one say."""
    if limits is None or limits[0] is None or limits[1] is None:
        return "not told apart from"
    low, high = (limits[0], limits[1]) if more_is_better else (-limits[1], -limits[0])
    return "ahead of" if low > 0 else "behind" if high < 0 else "not told apart from"


def difference(one: Figures, measure: str) -> str:
    """A paired difference, coloured where its interval leaves no doubt."""
    value = one.get(measure)
    if value is None:
        return '<span class="quiet">–</span>'
    limits = one.get(f"{measure}_ci")
    shade = {"ahead of": "good", "behind": "bad"}.get(verdict(limits), "")
    return f'<span class="{shade}">{value:+.3f}</span>&nbsp;<span class="quiet ci">{span(limits, sign=True)}</span>'


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Where each true class went, in per cent of its row; the darker, the more."""
    rows = []
    for name, line in zip(names, counts, strict=True):
        total = sum(line)
        shares = [100 * count / total if total else 0.0 for count in line]
        cells = "".join(
            f'<td class="cell" style="background:color-mix(in srgb,var(--ours) {0.55 * share:.0f}%,transparent)">'
            f"{f'{share:.0f}' if total else '–'}</td>"
            for share in shares
        )
        rows.append(f"<tr><td>{escape(name.replace('_', ' '))}</td>{cells}<td class=quiet>{total:,}</td></tr>")
    head = "".join(
        f'<th scope="col">{escape(name.replace("_", " "))}</th>' for name in ("truth ↓ said →", *names, "moments")
    )
    return f'<div class="frame"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
