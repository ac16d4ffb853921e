"""Which index of an Indexed Job a pod works on, and how often that index has failed.

Upstream: indexed_job_utils.go. The annotations are anybody's to write, so what makes no sense
there is no index, or no failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from controlplane.controllermanager.replicaset.plan import by_dispensability
from kubeapi.objects import Object, annotations_of

INDEX: Final = "batch.kubernetes.io/job-completion-index"
FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
_INT32_MAX: Final = 2**31 - 1
#: An annotation may be a quarter of a megabyte long: longer ones are no number that means anything.
_DIGITS_MAX: Final = 32


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """Return the index of *pod*; None when it has none that makes sense."""
    return _number(annotations_of(pod).get(INDEX))


def indexes_of(pods: Iterable[Object]) -> list[int]:
    found = (index_of(pod) for pod in pods)
    return [index for index in found if index is not None]


def failures(pod: Object) -> int:
    """Return how often the index had failed when *pod* was made, ignored failures left out."""
    return _count(pod, FAILURES)


def all_failures(pod: Object) -> int:
    return _count(pod, FAILURES) + _count(pod, IGNORED_FAILURES)


def _count(pod: Object, annotation: str) -> int:
    number = _number(annotations_of(pod).get(annotation))
    return number if number is not None and number <= _INT32_MAX else 0


def _number(text: str | None) -> int | None:
    """Read a number as Go's Atoi does; None when there is none, or a negative one."""
    if text is None or len(text) > _DIGITS_MAX or not re.fullmatch(r"\+?[0-9]+", text, re.ASCII):
        return None
    return int(text)


def surplus(pods: Sequence[Object], completions: int, now: float) -> tuple[list[Object], ...]:
    """Cut active *pods* into those that cannot count, and the others, one for each index.

    Upstream: appendDuplicatedIndexPodsForRemoval. Of several pods of one index the one that is
    missed most stays.
    """
    removed: list[Object] = []
    of_index: dict[int, list[Object]] = {}
    for pod in pods:
        index = index_of(pod)
        if index is None or index >= completions:
            removed.append(pod)
        else:
            of_index.setdefault(index, []).append(pod)
    kept: list[Object] = []
    for _, rivals in sorted(of_index.items()):
        *superfluous, last = by_dispensability(rivals, (), now)
        removed += superfluous
        kept.append(last)
    return removed, kept
