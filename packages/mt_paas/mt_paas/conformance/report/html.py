"""The report as one page that needs nothing beside itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from mt_paas.conformance.report.wording import (
    TITLE,
    by_area,
    exchange_lines,
    harmless,
    headline,
    level_sentence,
    milliseconds,
    verdict,
)
from mt_paas.conformance.results import CheckResult, Report, Status

__all__ = ["as_html"]

_WORDS = {Status.PASS: "Pass", Status.FAIL: "Fail", Status.WARN: "Warning", Status.SKIP: "Skipped"}
_SIGNS = {Status.PASS: "✓", Status.FAIL: "✗", Status.WARN: "!", Status.SKIP: "–"}
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --code: #f6f8fa;
  --pass: #116329; --fail: #b3141d; --warn: #7d4e00; --skip: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3; --quiet: #9aa4af; --line: #30363d;
  --code: #161b22; --pass: #56d364; --fail: #ff8182; --warn: #e3b341; --skip: #9aa4af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.hint { border-left: .375rem solid var(--warn); padding: .25rem .75rem; }
p, ul { margin: .25rem 0; } .quiet { color: var(--quiet); }
.score { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 1rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: .5rem; }
.score dt { color: var(--quiet); font-size: .875rem; } .score dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.score div { min-width: 5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: 1.5rem 0 .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; font-size: .875rem; color: var(--quiet); } td.number { text-align: right; white-space: nowrap; }
tbody th { font-weight: 400; font-size: 1rem; color: inherit; }
th.number { text-align: right; } td b { white-space: nowrap; }
col.verdict { width: 7.5rem; } col.level { width: 5.5rem; } col.time { width: 5rem; }
code { font: .8125rem/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .375rem; padding: .75rem; margin: .5rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; font: .8125rem/1.45 ui-monospace, monospace; }
article { border: 1px solid var(--line); border-left-width: .375rem; border-radius: .375rem; padding: .75rem 1rem;
  margin: .75rem 0; } article h3 { font-size: 1rem; margin: 0; } blockquote { margin: .5rem 0; padding-left: .75rem;
  border-left: 2px solid var(--line); }
article.fail { border-left-color: var(--fail); } article.warn { border-left-color: var(--warn); }
.pass { color: var(--pass); } .fail > h3 b, b.fail { color: var(--fail); } .warn > h3 b, b.warn { color: var(--warn); }
b.skip { color: var(--skip); } summary { cursor: pointer; padding: .25rem 0; }
summary:focus-visible, a:focus-visible, pre:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
p, blockquote, summary, h3 { overflow-wrap: anywhere; }
@media (max-width: 40rem) { col.verdict, col.level, col.time { width: auto; } tbody th { min-width: 10rem; } }
@media print { details { display: block; } }
"""


def as_html(report: Report) -> str:
    """Return the report as a page: score, what failed with its evidence, and a table of every check by area."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    said = verdict(report)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>{escape(report.target.url)} {said}</title><style>{_STYLE}</style></head>"
    yield f"<body><header><h1>{TITLE}</h1>"
    yield f"<p><strong>{escape(report.target.url)}</strong> {said}.</p>"
    yield f'<p class="quiet">{"<br>".join(escape(line) for line in headline(report)[1:])}</p>'
    told = report.as_dict()
    yield f'<p class="quiet">Begun at <time datetime="{told["started_at"]}">{told["started_at"]}</time></p></header>'
    yield "<main>"
    for hint in report.hints:
        yield f'<p class="hint"><strong>Hint:</strong> {escape(harmless(hint))}</p>'
    yield from _score(report)
    yield from _broken(report)
    yield from _tables(report)
    yield "</main></body></html>"


def _score(report: Report) -> Iterator[str]:
    score = report.score
    figures = {
        "Score": f"{score.passed}/{score.judged} ({score.percent}%)",
        "Level": report.level,
        "Failed": str(score.failed),
        "Warnings": str(score.warned),
        "Skipped": str(score.skipped),
        "Time": f"{report.duration_ms / 1000:.1f} s",
    }
    yield f'<section aria-label="Score"><dl class="score">{"".join(_figure(*each) for each in figures.items())}</dl>'
    yield f'<p class="quiet">Level {report.level}: {level_sentence(report)}.</p></section>'


def _figure(name: str, value: str) -> str:
    return f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"


def _broken(report: Report) -> Iterator[str]:
    broken = [each for each in report.checks if each.status in {Status.FAIL, Status.WARN}]
    if not broken:
        return
    yield '<section aria-labelledby="broken"><h2 id="broken">What is not kept</h2>'
    for each in sorted(broken, key=lambda each: each.status is Status.WARN):
        yield f'<article class="{each.status}" id="{each.id}">'
        yield f"<h3><b>{_SIGNS[each.status]} {_WORDS[each.status]}</b> {_prose(each.name)}</h3>"
        yield f'<p class="quiet"><code>{each.id}</code>, a {each.level}</p>'
        yield f"<p>{escape(each.message)}</p><blockquote>The contract says: {_prose(each.rule)}</blockquote>"
        yield from _evidence(each)
        yield "</article>"
    yield "</section>"


def _evidence(each: CheckResult) -> Iterator[str]:
    last = len(each.exchanges) - 1
    for place, exchange in enumerate(each.exchanges):
        request, response = exchange_lines(exchange)
        title = "The call where it shows" if place == last else f"A call before: {request[0]}"
        yield f"<details{' open' if place == last else ''}><summary>{escape(title)}</summary>"
        yield f'<p class="quiet">Request</p><pre tabindex="0">{escape(chr(10).join(request))}</pre>'
        yield f'<p class="quiet">Response</p><pre tabindex="0">{escape(chr(10).join(response))}</pre></details>'


def _tables(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="all"><h2 id="all">Every check</h2>'
    for title, results in by_area(report.checks):
        yield f'<div class="wide"><table><caption>{escape(title)}</caption>'
        yield '<colgroup><col><col class="level"><col class="verdict"><col class="time"></colgroup>'
        yield '<thead><tr><th scope="col">Check</th><th scope="col">Level</th><th scope="col">Verdict</th>'
        yield '<th scope="col" class="number">Time</th></tr></thead><tbody>'
        for each in results:
            verdict = f'<b class="{each.status}">{_SIGNS[each.status]} {_WORDS[each.status]}</b>'
            yield f'<tr><th scope="row">{_prose(each.name)}<br>'
            yield f'<code class="quiet">{_linked(each)}</code>{_why(each)}</th><td>{each.level}</td><td>{verdict}</td>'
            yield f'<td class="number">{milliseconds(each)}</td></tr>'
        yield "</tbody></table></div>"
    yield "</section>"


def _linked(each: CheckResult) -> str:
    return f'<a href="#{each.id}">{each.id}</a>' if each.status in {Status.FAIL, Status.WARN} else each.id


def _why(each: CheckResult) -> str:
    return f'<br><span class="quiet">{escape(each.message)}</span>' if each.status is Status.SKIP else ""


def _prose(text: str) -> str:
    """Return a text with what is between backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
