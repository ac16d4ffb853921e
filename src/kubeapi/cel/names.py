"""Names with dots: `net.IP`, `sets.contains`. A variable in scope goes before them."""

from __future__ import annotations

import re
from typing import Final

from kubeapi.cel.syntax import Ident, Node, Select

_ESCAPES: Final = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_ESCAPED: Final = re.compile(r"__(underscores|dot|dash|slash)__")
_KEYWORD: Final = re.compile(
    r"__(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package"
    r"|namespace|return)__"
)


def qualified(node: Node) -> str | None:
    """Return the dotted name that *node* is, if it is one."""
    if isinstance(node, Ident):
        return node.name
    if not isinstance(node, Select) or node.optional or node.test_only:
        return None
    before = qualified(node.operand)
    return f"{before}.{node.name}" if before else None


def root(node: Node) -> str:
    """Return the first part of a dotted name."""
    while isinstance(node, Select):
        node = node.operand
    return node.name if isinstance(node, Ident) else ""


def unescaped(name: str) -> str:
    """Return the property that an identifier means (apiserver/pkg/cel: Unescape)."""
    if "__" not in name:
        return name
    keyword = _KEYWORD.fullmatch(name)
    if keyword is not None:
        return keyword.group(1)
    return _ESCAPED.sub(lambda match: _ESCAPES[match.group(1)], name)
