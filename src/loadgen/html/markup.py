"""HTML and SVG as values: text is escaped unless it is `Markup` already.

What a page shows comes from servers that were under test: the name of a backend is whatever it
answered. So escaping is not a step that can be forgotten; the type decides.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

import msgspec

#: Elements that have no end tag in HTML.
_VOID: Final = ("meta", "link", "br", "hr", "img", "input", "col")

Value = str | int | float | bool | None


class Markup(str):
    """Text that is HTML already; only this module makes it of other text."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: Value) -> Markup:
    """Return an element; `class_` and `stroke_width` are the attributes class and stroke-width.

    An attribute of None or False is left out, one of True has no value.
    """
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{head}>")
    return Markup(f"<{head}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Return *parts* one after the other, each escaped unless it is Markup."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = number(value) if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(text)}"'


def number(value: float) -> str:
    """Return *value* with as many decimals as a pixel needs."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def data(identifier: str, value: object) -> Markup:
    """Return *value* as JSON for the page's script; nothing in it can end the element."""
    text = msgspec.json.encode(value).decode()
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return Markup(f'<script type="application/json" id="{html.escape(identifier)}">{text}</script>')


def verbatim(name: str, text: str) -> Markup:
    """Return a style or script of our own, which must not be escaped."""
    assert f"</{name}" not in text.lower()
    return Markup(f"<{name}>{text}</{name}>")
