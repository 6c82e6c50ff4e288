"""What all pages share: the document, its style, tables, and the few lines of script that answer the pointer."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sdfa.errors import printable

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;background:#fff;margin:2em auto;max-width:70em;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:1em 0}td,th{border-bottom:1px solid #ddd;padding:.25em .7em;text-align:right}
th{font-weight:600}td:first-child,th:first-child{text-align:left}caption{text-align:left;font-weight:600}
.wide{overflow-x:auto}.pair{display:flex;flex-wrap:wrap;gap:2em}.good{color:#1e6b3a}.bad{color:#a3190f;font-weight:600}
.confusion td,.confusion th{padding:.15em .45em;border:1px solid #eee;font-variant-numeric:tabular-nums}
svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#222}img{max-width:100%}
#said:empty{display:none}
#said{position:sticky;bottom:0;background:#fffbe6;min-height:1.5em;padding:.2em .5em}pre{white-space:pre-wrap}
"""
# Hover a mark: its words appear below. The buttons rewrite the confusion tables; #percent and #change do so at once.
_SCRIPT = """
const said=document.getElementById('said');
document.addEventListener('mouseover',e=>{const t=e.target.closest('[data-say]');said.textContent=t?t.dataset.say:''});
const tables=[...document.querySelectorAll('.confusion')],views={
 counts:(n,row)=>n,percent:(n,row)=>row?Math.round(100*n/row):'',change:(n,row,old)=>(n>old?'+':'')+(n-old||'')};
function show(view){tables.forEach((t,k)=>[...t.tBodies[0].rows].forEach((r,i)=>{
 const cells=[...r.querySelectorAll('td')],sum=cells.reduce((s,c)=>s+ +c.dataset.n,0);
 cells.forEach((c,j)=>{const old=tables[0].tBodies[0].rows[i].querySelectorAll('td')[j].dataset.n;
  c.textContent=view=='change'&&!k?c.dataset.n:views[view](+c.dataset.n,sum,+old)})}));
 document.querySelectorAll('[data-view]').forEach(b=>b.setAttribute('aria-pressed',b.dataset.view==view))}
document.querySelectorAll('[data-view]').forEach(b=>b.onclick=()=>show(b.dataset.view));
document.querySelectorAll('.needs-script').forEach(e=>e.hidden=false);
if(tables.length)show(location.hash.slice(1)in views?location.hash.slice(1):'counts');
document.documentElement.dataset.ready='yes';
"""


def text(value: object) -> str:
    """As it may stand in HTML; names come from strangers' files."""
    return html.escape(printable(str(value)))


def document(title: str, sections: Iterable[tuple[str, str]], raw: Any) -> bytes:
    """The page. sections: (heading, HTML). raw: the result itself, for machines and for the curious."""
    body = "".join(f"<section><h2>{text(head)}</h2>{part}</section>" for head, part in sections)
    named, numbers = text(title), html.escape(json.dumps(raw))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{named}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><link rel="icon" href="data:,"><style>{_STYLE}</style></head><body>'
        f"<main><h1>{named}</h1>{body}"
        f"<details><summary>all numbers (JSON)</summary><pre>{numbers}</pre></details></main>"
        f'<div id="said" aria-live="polite"></div><script>{_SCRIPT}</script></body></html>\n'
    ).encode()


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts; the first column names the row."""
    top = "".join(f'<th scope="col">{text(h)}</th>' for h in head)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>' + "".join(f"<td>{text(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def pairs(rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values."""
    return table(("", ""), rows)
