"""Cells that many Tables share: ages, selectors, containers (upstream: printers/internalversion).

Ages follow apimachinery's `duration.HumanDuration`: two units while the second one still tells
something, one unit above that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.apiserver.kinds.kind import Column
from kubeapi.objects import Object
from kubeapi.selectors import LabelSelector, SelectorError

NAME: Final = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE: Final = Column("Age", description="Time since the object was created.")
CREATED_AT: Final = Column("Created At", "date", description="When the object was created.")
CONTAINERS: Final = Column("Containers", priority=1, description="Names of each container.")
IMAGES: Final = Column("Images", priority=1, description="Images referenced by each container.")
SELECTOR: Final = Column("Selector", priority=1, description="Label selector.")

NONE: Final = "<none>"
UNKNOWN: Final = "<unknown>"
_ITEMS_SHOWN_MAX: Final = 3

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY


def human_duration(seconds: float) -> str:
    """Return a duration as kubectl prints it, for example `5m10s`."""
    total = int(seconds)
    if total < -1:  # Clocks of two machines differ by a second; by more, something is wrong.
        return "<invalid>"
    if total < 2 * _MINUTE:
        return f"{max(total, 0)}s"
    if total < 10 * _MINUTE:
        return _two_units(total, (_MINUTE, "m"), (1, "s"))
    if total < 3 * _HOUR:
        return f"{total // _MINUTE}m"
    if total < 8 * _HOUR:
        return _two_units(total, (_HOUR, "h"), (_MINUTE, "m"))
    if total < 2 * _DAY:
        return f"{total // _HOUR}h"
    if total < 8 * _DAY:
        return _two_units(total, (_DAY, "d"), (_HOUR, "h"))
    if total < 2 * _YEAR:
        return f"{total // _DAY}d"
    if total < 8 * _YEAR:
        return _two_units(total, (_YEAR, "y"), (_DAY, "d"))
    return f"{total // _YEAR}y"


def _two_units(total: int, major: tuple[int, str], minor: tuple[int, str]) -> str:
    count, rest = divmod(total, major[0])
    rest //= minor[0]
    return f"{count}{major[1]}{rest}{minor[1]}" if rest else f"{count}{major[1]}"


def since(timestamp: str | None, now: float) -> str:
    """Return how long ago *timestamp* was; `<unknown>` when there is none."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_duration(now - parse_rfc3339(timestamp))
    except ValueError:
        return UNKNOWN


def age(obj: Object, now: float) -> str:
    """Return the Age cell."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def created_at(obj: Object) -> str:
    """Return the Created At cell."""
    return (obj.get("metadata") or {}).get("creationTimestamp") or ""


def labels(pairs: Mapping[str, str] | None) -> str:
    """Return a map of labels as `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or NONE


def label_selector(selector: Object | None) -> str:
    """Return a metav1.LabelSelector as kubectl writes it on its command line."""
    try:
        return str(LabelSelector.from_object(selector)) or NONE if selector else NONE
    except SelectorError:  # A CronJob's is judged when its Jobs are made.
        return "<error>"


def container_cells(template: Object | None) -> tuple[str, str]:
    """Return the Containers and Images cells of a pod template."""
    containers = ((template or {}).get("spec") or {}).get("containers") or []
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def first_few(items: Sequence[str], *, empty: str) -> str:
    """Return the first three of *items* and how many more there are."""
    text = ",".join(items[:_ITEMS_SHOWN_MAX]) or empty
    more = len(items) - _ITEMS_SHOWN_MAX
    return f"{text} + {more} more..." if more > 0 else text
