"""A survey as one HTML file that needs nothing from elsewhere: light and dark, for screen readers too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from danelaw.adoption.change import Comparison
from danelaw.adoption.charts import Part, single, stacked, swatch
from danelaw.adoption.providers import Provider
from danelaw.adoption.sentences import gain_words, headline, provider_words
from danelaw.adoption.summary import Summary, Weighed, percent
from danelaw.adoption.words import KINDS, NO_MAIL, words_for

ROWS = 15
_STRENGTH = {
    "level": ("g3", "g2", "g1", "a2", "a1", "r1", "r2", "n"),
    "dnssec": ("g3", "a1", "r2", "n"),
    "dane": ("g3", "g1", "a2", "n", "a1", "r2", "z", "n"),
    "mta_sts": ("g3", "g1", "n", "a1", "r2", "z", "n"),
    "tlsrpt": ("g3", "r2", "z", "n"),
    "tls": ("g3", "g2", "r1", "r2", "r2", "n"),
    "requiretls": ("g3", "z", "n"),
}
_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--track:#eaeef2;
--g3:#116329;--g2:#2da44e;--g1:#6fdd8b;--a2:#d4a72c;--a1:#eac54f;--r1:#fa8f5c;--r2:#cf222e;--z:#afb8c1;--n:#8c959f}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#30363d;--track:#21262d;
--g3:#3fb950;--g2:#2ea043;--g1:#1f6f34;--a2:#bb8009;--a1:#d29922;--r1:#db6d28;--r2:#f85149;--z:#484f58;--n:#6e7681}}
body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:60rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;line-height:1.3}h2{font-size:1.15rem;margin-top:2.2rem}p.dim,caption,.dim{color:var(--dim)}
table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;vertical-align:top}
thead th{border-bottom:1px solid var(--line);font-weight:600}
tbody tr+tr td,tbody tr+tr th{border-top:1px solid var(--track)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tbody th{font-weight:400}
caption{text-align:left;padding-bottom:.4rem}div.wide{overflow-x:auto}
svg.bar{display:block;width:100%;height:1.4rem;margin:.3rem 0;border-radius:3px}svg.cell{width:7rem;height:.55rem}
svg.swatch{width:.75rem;height:.75rem;margin-right:.45rem}.track{fill:var(--track)}code{overflow-wrap:anywhere}
.g3{fill:var(--g3)}.g2{fill:var(--g2)}.g1{fill:var(--g1)}.a2{fill:var(--a2)}.a1{fill:var(--a1)}.r1{fill:var(--r1)}
.r2{fill:var(--r2)}.z{fill:var(--z)}.n rect,rect.n{fill:var(--n)}
@media print{body{max-width:none}}
"""


def page(summary: Summary, notes: Sequence[str], made: float, comparison: Comparison | None = None) -> Iterable[str]:
    """The file in pieces. `made` is when the survey was made (POSIX seconds); `notes` are sentences about limits."""
    when = datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = f"Mail transport security of {summary.total.domains:,} domains"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(headline(summary))}</h1>\n"
        f'<p class="dim">{escape(title)}, {summary.host_count:,} mail servers, surveyed {when}. No mail was sent.</p>\n'
    )
    for note in notes:
        yield f"<p>{escape(note)}</p>\n"
    for kind in KINDS:
        yield _kind(summary, kind)
    yield _usages(summary)
    yield _providers(summary)
    yield _gains(summary)
    if comparison is not None:
        yield _changes(comparison)
    yield _no_mail(summary)
    yield "</main>\n</body>\n</html>\n"


def _style(kind: str, value: str) -> str:
    order = list(KINDS[kind].words)
    return _STRENGTH[kind][order.index(value)] if value in order else "n"


def _kind(summary: Summary, kind: str) -> str:
    title, found = KINDS[kind].title, summary.ordered(kind)
    bars = [
        stacked(
            f"{title}, by {by}", [Part(words_for(kind, value), count(one), _style(kind, value)) for value, one in found]
        )
        for by, count in (("recipients", _recipients), ("domains", _domains))
    ]
    total = summary.total
    rows = "".join(
        f'<tr><th scope="row">{swatch(_style(kind, value))}{escape(words_for(kind, value))}</th>'
        f'<td class="n">{one.domains:,}</td><td class="n">{percent(one.domains, total.domains)}</td>'
        f'<td class="n">{one.recipients:,}</td><td class="n">{percent(one.recipients, total.recipients)}</td></tr>\n'
        for value, one in found
    )
    return (
        f'<section>\n<h2>{escape(title)}</h2>\n<p class="dim">by recipients</p>{bars[0]}<p class="dim">by domains</p>'
        f'{bars[1]}\n<div class="wide"><table><thead><tr><th scope="col">{escape(title)}</th>'
        '<th scope="col" class="n">domains</th><th scope="col" class="n">share</th>'
        '<th scope="col" class="n">recipients</th><th scope="col" class="n">share</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n</section>\n"
    )


def _domains(one: Weighed) -> int:
    return one.domains


def _recipients(one: Weighed) -> int:
    return one.recipients


def _usages(summary: Summary) -> str:
    if not summary.usages:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(usage)}</code></th><td class="n">{one.domains:,}</td>'
        f'<td class="n">{one.recipients:,}</td><td class="n">{summary.host_usages[usage]:,}</td></tr>\n'
        for usage, one in sorted(summary.usages.items(), key=lambda item: (-item[1].domains, item[0]))[:ROWS]
    )
    return (
        '<section>\n<h2>TLSA records by parameters</h2>\n<div class="wide"><table><thead><tr>'
        '<th scope="col">usage, selector, matching type</th><th scope="col" class="n">domains</th>'
        '<th scope="col" class="n">recipients</th><th scope="col" class="n">servers</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n</section>\n"
    )


def _providers(summary: Summary) -> str:
    rows = "".join(_provider(one, summary.total) for one in summary.providers.largest(ROWS))
    if not rows:
        return ""
    return (
        '<section>\n<h2>Who carries the mail</h2>\n<div class="wide"><table><thead><tr><th scope="col">provider</th>'
        '<th scope="col" class="n">servers</th><th scope="col" class="n">domains</th>'
        '<th scope="col" class="n">recipients</th><th scope="col">share</th><th scope="col" class="n">DANE now</th>'
        f"</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        '<p class="dim">A domain with servers of several providers counts for each of them.</p>\n</section>\n'
    )


def _provider(one: Provider, total: Weighed) -> str:
    share = percent(one.recipients, total.recipients)
    return (
        f'<tr><th scope="row">{escape(one.site)}</th><td class="n">{len(one.hosts):,}</td>'
        f'<td class="n">{one.domains:,}</td><td class="n">{one.recipients:,}</td>'
        f"<td>{single(one.recipients, total.recipients, 'g2', f'{share} of the recipients')} {share}</td>"
        f'<td class="n">{percent(one.dane[1], one.recipients)}</td></tr>\n'
    )


def _gains(summary: Summary) -> str:
    found = summary.providers.most_gain(ROWS)
    if not found:
        return ""
    items = "".join(
        f"<li>{escape(provider_words(one, summary.total))} {escape(gain_words(one, summary.total))}</li>\n"
        for one in found
    )
    return f"<section>\n<h2>What one provider could change</h2>\n<ul>\n{items}</ul>\n</section>\n"


def _changes(comparison: Comparison) -> str:
    when = datetime.fromtimestamp(comparison.made_at, UTC).strftime("%Y-%m-%d")
    rows = "".join(
        f'<tr><th scope="row">{escape(one.domain)}</th><td>{escape(words_for("level", one.before))}</td>'
        f"<td>{escape(words_for('level', one.now))}</td><td>{'better' if one.better else 'worse'}</td>"
        f'<td class="n">{one.recipients:,}</td></tr>\n'
        for one in comparison.changed
    )
    words = (
        f"{comparison.count(better=True):,} domains are better protected than on {when}, "
        f"{comparison.count(better=False):,} worse; {comparison.new:,} are new, {comparison.gone:,} are gone."
    )
    table = (
        '<div class="wide"><table><thead><tr><th scope="col">domain</th><th scope="col">before</th>'
        '<th scope="col">now</th><th scope="col"></th><th scope="col" class="n">recipients</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )
    return f"<section>\n<h2>Since the last survey</h2>\n<p>{words}</p>\n{table if rows else ''}</section>\n"


def _no_mail(summary: Summary) -> str:
    found = [(why, one) for why, one in summary.no_mail.items() if one.domains]
    if not found:
        return ""
    words = "; ".join(f"{one.domains:,} {NO_MAIL.get(why, why)}" for why, one in found)
    return f"<section>\n<h2>Not counted</h2>\n<p>{escape(words)}.</p>\n</section>\n"
