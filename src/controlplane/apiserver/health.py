"""/healthz, /livez and /readyz: each a list of named checks (upstream: server/healthz).

`?verbose` shows every check, `?exclude=NAME` leaves one out, `/readyz/NAME` asks one alone. Why a
check fails is told only by the latter, which not everybody may ask. Unlike upstream's, /livez does
not look at the store: a restart would not bring that back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane import health
from controlplane.apiserver.exchange import Answer
from controlplane.health import Check
from kubeapi.status import no_such_path

ENDPOINTS: Final = ("healthz", "livez", "readyz")
_TEXT: Final = "text/plain; charset=utf-8"
_HEADERS: Final = {"X-Content-Type-Options": "nosniff"}


class Health:
    """Answers for all endpoints."""

    def __init__(self, checks: Mapping[str, Sequence[Check]]) -> None:
        assert tuple(checks) == ENDPOINTS
        self._checks = checks

    def names(self) -> list[str]:
        """Return every path."""
        return [
            path
            for endpoint, checks in self._checks.items()
            for path in (f"/{endpoint}", *(f"/{endpoint}/{check.name}" for check in checks))
        ]

    def answer(
        self, endpoint: str, name: str, *, excluded: Sequence[str] = (), verbose: bool = False
    ) -> Answer:
        """Answer for all checks, or the one called *name*; raises StatusError 404."""
        checks = self._checks[endpoint]
        if name:
            return _one(checks, name)
        status, text = health.all_of(endpoint, checks, excluded, verbose=verbose)
        return _text(text, status)


def _one(checks: Sequence[Check], name: str) -> Answer:
    found = health.one_of(checks, name)
    if found is None:
        raise no_such_path()
    return _text(found[1], found[0])


def _text(text: str, status: int = 200) -> Answer:
    return Answer(status=status, body=text.encode(), content_type=_TEXT, headers=_HEADERS)
