"""How long admission takes and what webhooks say (upstream: apiserver/pkg/admission/metrics).

Steps and webhooks are measured, single plugins of our own are not: reading the clock around each
would cost as much as most of them.
"""

from __future__ import annotations

from typing import Final

from componentbase.series import Counter, Histogram

#: How upstream calls the two sorts of webhooks.
MUTATING, VALIDATING = "admit", "validating"
CALLING_FAILED, NO_ERROR = "calling_webhook_error", "no_error"
_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
_WEBHOOK_SECONDS: Final = (*_SECONDS, 10, 25)
_ABOUT: Final = ("name", "type", "operation")


class AdmissionMetrics:
    """What is counted."""

    def __init__(self) -> None:
        prefix = "apiserver_admission_"
        self.step_seconds = Histogram(
            f"{prefix}step_admission_duration_seconds",
            "How long all plugins took together, for each of the two questions.",
            ("type", "operation", "rejected"),
            _SECONDS,
        )
        self.webhook_seconds = Histogram(
            f"{prefix}webhook_admission_duration_seconds",
            "How long webhooks took.",
            (*_ABOUT, "rejected"),
            _WEBHOOK_SECONDS,
        )
        self.webhook_requests = Counter(
            f"{prefix}webhook_request", "Webhooks asked.", (*_ABOUT, "code", "rejected")
        )
        self.webhook_rejections = Counter(
            f"{prefix}webhook_rejection_count",
            "Writes that webhooks refused, or that were refused because a webhook failed.",
            (*_ABOUT, "error_type", "rejection_code"),
        )
        self.webhook_fail_opens = Counter(
            f"{prefix}webhook_fail_open_count",
            "Failures of webhooks that may fail.",
            ("name", "type"),
        )

    def counters(self) -> tuple[Counter, ...]:
        """Return those whose names end in `_total`."""
        return (self.webhook_requests,)

    def plain_counters(self) -> tuple[Counter, ...]:
        """Return those whose names upstream has without `_total`."""
        return (self.webhook_rejections, self.webhook_fail_opens)

    def histograms(self) -> tuple[Histogram, ...]:
        return self.step_seconds, self.webhook_seconds

    def asked(
        self, about: tuple[str, str, str], seconds: float, *, code: int, rejected: bool
    ) -> None:
        """Count a webhook's answer; *about* is its name, its sort and the operation."""
        said = str(rejected).lower()
        self.webhook_seconds.observe((*about, said), seconds)
        self.webhook_requests.add((*about, str(code), said))

    def rejected(self, about: tuple[str, str, str], error_type: str, code: int) -> None:
        """Count a refusal."""
        # Upstream keeps one series for what no webhook should say.
        known = code if 100 <= code <= 600 else 600
        self.webhook_rejections.add((*about, error_type, str(known)))

    def failed_open(self, name: str, sort: str) -> None:
        """Count a failure that stood in nobody's way."""
        self.webhook_fail_opens.add((name, sort))
