"""What a failed pod means to its Job: spec.podFailurePolicy (upstream: pod_failure_policy.go)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, key_of

IGNORE: Final = "Ignore"
FAIL_INDEX: Final = "FailIndex"
FAIL_JOB: Final = "FailJob"


@dataclass(frozen=True, slots=True)
class Match:
    """The action of the first rule that fits ("": none does) and, for FailJob, why."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        """Return whether the failure counts towards the limits."""
        return self.action != IGNORE


_UNMATCHED: Final = Match()


def match(job: Object, pod: Object) -> Match:
    """Judge the failure of *pod* by the first rule that fits."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for index, rule in enumerate(policy.get("rules") or ()):
        why = _why(rule, pod)
        if why is not None:
            action = rule["action"]
            return Match(action, f"{why} matching {action} rule at index {index}")
    return _UNMATCHED


def _why(rule: Object, pod: Object) -> str | None:
    """Return what of *pod* fits *rule*, in upstream's words; None when nothing does."""
    if (codes := rule.get("onExitCodes")) is not None:
        for status in _ended(pod):
            if _fits(status, codes):
                code = status["state"]["terminated"]["exitCode"]
                return (
                    f"Container {status['name']} for pod {key_of(pod)} failed with exit code {code}"
                )
        return None
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if _is_wanted(condition, rule.get("onPodConditions") or ()):
            return f"Pod {key_of(pod)} has condition {condition['type']}"
    return None


def _ended(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(key) or ():
            if ((container.get("state") or {}).get("terminated") or {}).get("exitCode"):
                yield container


def _fits(status: Object, codes: Object) -> bool:
    """A rule is about containers that have failed: 0 is never matched, not even by NotIn."""
    name = codes.get("containerName")
    if name is not None and name != status["name"]:
        return False
    is_among = status["state"]["terminated"]["exitCode"] in codes["values"]
    return bool(is_among == (codes["operator"] == "In"))


def _is_wanted(condition: Object, patterns: Sequence[Object]) -> bool:
    return any(
        condition["type"] == pattern["type"] and condition["status"] == pattern["status"]
        for pattern in patterns
    )
