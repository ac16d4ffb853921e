"""Whether a write happened whose answer was lost: what the key's history says.

Every write that leaves this client compares the key's mod revision, so of one expectation at most
one write ever succeeds: the change that follows the expected revision. If that change is what we
asked for, it was ours. (Another client that asked for the very same change from the very same
revision is told so too: the outcome is the one both wanted.)
"""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.storage.interface import Delete, Event, Put, TxnResult


def find(operation: Put | Delete, events: Iterable[Event]) -> TxnResult | None:
    """Return how *operation* went if it is among *events*, which follow its first attempt."""
    for event in events:
        before = 0 if event.previous is None else event.previous.mod_revision
        follows = event.key == operation.key and before == operation.expected
        if follows and _is_what(operation, event):
            return TxnResult(True, event.revision, event.current)
    return None


def _is_what(operation: Put | Delete, event: Event) -> bool:
    current = event.current
    if isinstance(operation, Delete) or current is None:
        return isinstance(operation, Delete) and current is None
    return (current.value, current.lease) == (operation.value, operation.lease)
