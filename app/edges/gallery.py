"""A gallery of a pack's mails: one page with each in four frames, light and dark, wide and narrow; nothing is loaded from anywhere."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path

from app.domain.rendering import Rendered
from app.policy.tried_on import SHOP

_PICTURE = re.compile(re.escape(f"{SHOP}/pictures/") + r"(\d+)\.jpg")
_NIGHT = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark\s*\)")
_OUTSIDE = re.compile(r'(<img [^>]*?src=")(https?://[^"]*)(")')
_SAFE = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
_SHAPES = (
    '<path d="M180 150h180a26 26 0 0 1 26 26v96a30 30 0 0 1-30 30H184a30 30 0 0 1-30-30v-96a26 26 0 0 1 26-26z"/>'
    '<path d="M222 150v-16a48 48 0 0 1 96 0v16" fill="none" stroke-width="14"/>'
    '<path d="M154 216h232" stroke="#0003" stroke-width="8"/><path d="M228 204h84v40h-84z" fill="#0002" stroke="none"/>',
    '<path d="M176 116h188v150a36 36 0 0 1-36 36H212a36 36 0 0 1-36-36z"/><path d="M168 92h204v34H168z"/>'
    '<path d="M206 180h128v70H206z" fill="#0002" stroke="none"/>',
    '<path d="M166 172h208l-16 130H182z"/><path d="M216 172c0-92 108-92 108 0" fill="none" stroke-width="12"/>',
    '<path d="M240 110h60v30l14 24v124a16 16 0 0 1-16 16h-56a16 16 0 0 1-16-16V164l14-24z"/><path d="M244 84h52v26h-52z" fill="#0004"/>',
    '<rect x="190" y="180" width="160" height="110" rx="16"/><rect x="182" y="156" width="176" height="34" rx="10" fill="#0003"/>',
)
_COLOURS = (("#e9e4da", "#4b6355"), ("#dfe6ea", "#3d5a73"), ("#f0e2d8", "#a4583b"), ("#e4e8e4", "#6d7b86"), ("#efe6cf", "#b58a2f"))


def write(folder: Path, title: str, mails: Iterable[tuple[str, Rendered]]) -> Path:
    """Writes `index.html` and two files a mail into the folder; returns the page. Raises OSError."""
    inside = folder / "messages"
    inside.mkdir(parents=True, exist_ok=True)
    shown: list[str] = []
    names: list[str] = []
    for name, mail in mails:
        for mode, media in (("light", "not all"), ("dark", "all")):
            (inside / f"{name}.{mode}.html").write_text(_still(mail.html, media), "utf-8")
        shown.append(_entry(name, mail))
        names.append(name)
    page = folder / "index.html"
    links = " ".join(f'<a href="#{name}">{name}</a>' for name in names)
    page.write_text(_PAGE.format(title=escape(title), count=len(names), links=links, body="\n".join(shown)), "utf-8")
    return page


def _still(html: str, media: str) -> str:
    """The mail in one of its two lights, whatever the reader's own is, with drawn pictures in place of the shop's."""
    html = _NIGHT.sub(f"@media {media}", html)
    html = _PICTURE.sub(lambda match: picture(int(match[1])), html)
    html = _OUTSIDE.sub(lambda match: match[1] + picture(0) + match[3], html)
    return html.replace("<head>", f"<head>{_SAFE}", 1)


def picture(number: int) -> str:
    """A drawing of a product as a data address."""
    ground, colour = _COLOURS[(number - 1) % len(_COLOURS)]
    shape = _SHAPES[(number - 1) % len(_SHAPES)]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 405" width="540" height="405">'
        f'<rect width="540" height="405" fill="{ground}"/>'
        f'<ellipse cx="270" cy="312" rx="150" ry="14" fill="#0002"/><g fill="{colour}" stroke="{colour}">{shape}</g></svg>'
    )
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def _entry(name: str, mail: Rendered) -> str:
    frames = "".join(
        f'<figure class="{device} {mode}">'
        f'<iframe loading="lazy" title="{name}, {device}, {mode}" src="messages/{name}.{mode}.html"></iframe>'
        f"<figcaption>{device}, {mode}</figcaption></figure>"
        for mode in ("light", "dark")
        for device in ("desktop", "phone")
    )
    return (
        f'<section id="{name}"><h2>{name}</h2>'
        f'<p class="subject">{escape(mail.subject)}</p><p class="preheader">{escape(mail.preheader)}</p>'
        f'<div class="frames">{frames}</div><details><summary>Plain text</summary><pre>{escape(mail.text)}</pre></details></section>'
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><title>{title}</title><style>
:root {{ color-scheme: light dark; --ground: #eceae5; --card: #fff; --ink: #20262a; --dim: #5d666c; --line: #dcdad3 }}
@media (prefers-color-scheme: dark) {{ :root {{ --ground: #0c0e0f; --card: #181c1e; --ink: #eceae5; --dim: #aab2b7; --line: #363e42 }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; max-width: 2300px; padding: 32px 24px 80px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }}
h1 {{ font-size: 28px; margin: 0 0 8px }} h2 {{ font-size: 15px; margin: 0; color: var(--dim); font-weight: 600 }}
nav {{ columns: 220px; margin: 16px 0 32px }} nav a {{ display: block; color: inherit; padding: 2px 0 }}
section {{ background: var(--card); border-radius: 12px; padding: 24px; margin: 0 0 24px }}
.subject {{ font-size: 22px; font-weight: 650; margin: 4px 0 0 }} .preheader {{ color: var(--dim); margin: 0 0 20px }}
.frames {{ display: flex; gap: 20px; overflow-x: auto; align-items: flex-start; padding-bottom: 8px }}
figure {{ margin: 0; flex: none }} figcaption {{ color: var(--dim); font-size: 13px; padding-top: 6px }}
iframe {{ border: 1px solid var(--line); border-radius: 10px; height: 860px; display: block; background: #fff }}
.desktop iframe {{ width: 680px }} .phone iframe {{ width: 390px }} .dark iframe {{ background: #121517 }}
summary {{ cursor: pointer; margin-top: 12px }} pre {{ white-space: pre-wrap; overflow-wrap: anywhere; max-width: 90ch }}
</style></head><body>
<h1>{title}</h1><p>{count} messages, each as somebody would get it of whom all is known. Pictures are drawn; nothing is loaded.</p>
<nav>{links}</nav>
{body}
</body></html>
"""
