"""Values as Go's `%#v` writes them, for the few messages that show a map or a struct.

`spec.template.metadata.labels: Invalid value: map[string]string{"app":"db"}: …` is a text that
people search for; `kubeapi.field` prints whatever has a `__str__`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeapi.objects import Object


@dataclass(frozen=True, slots=True)
class GoText:
    """A value in Go's syntax."""

    text: str

    def __str__(self) -> str:
        return self.text


def go_map(pairs: Mapping[str, str] | None) -> GoText:
    """Return a map[string]string."""
    if pairs is None:
        return GoText("map[string]string(nil)")
    items = (f"{json.dumps(key)}:{json.dumps(value)}" for key, value in sorted(pairs.items()))
    return GoText(f"map[string]string{{{', '.join(items)}}}")


def go_strings(values: Sequence[str] | None) -> GoText:
    """Return a []string."""
    if values is None:
        return GoText("[]string(nil)")
    return GoText(f"[]string{{{', '.join(map(json.dumps, values))}}}")


def go_label_selector(selector: Object) -> GoText:
    """Return a v1.LabelSelector."""
    rows = selector.get("matchExpressions")
    kind = "[]v1.LabelSelectorRequirement"
    expressions = "(nil)" if rows is None else f"{{{', '.join(map(_go_requirement, rows))}}}"
    labels = go_map(selector.get("matchLabels"))
    return GoText(f"v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{kind}{expressions}}}")


def _go_requirement(row: Object) -> str:
    key, operator = json.dumps(row.get("key", "")), json.dumps(row.get("operator", ""))
    values = go_strings(row.get("values"))
    return f"v1.LabelSelectorRequirement{{Key:{key}, Operator:{operator}, Values:{values}}}"
