"""IntOrString as a number of pods or a share of them (upstream: apps/validation).

How many pods `25%` are is the controllers' business; here only the form is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field
from kubeapi.status import Cause

_PERCENT: Final = re.compile(r"[0-9]+%")


def validate_share(share: int | str, path: str, *, percent_max: int | None) -> Iterator[Cause]:
    """Judge a number that is not negative, or a percentage; None: it may be any."""
    if isinstance(share, int):
        if share < 0:
            yield field.invalid(path, share, NOT_NEGATIVE)
    elif not _PERCENT.fullmatch(share):
        detail = "a valid percent string must be a numeric string followed by an ending '%'"
        yield field.invalid(path, share, f"{detail} (e.g. '1%',  or '93%')")
    elif percent_max is not None and int(share[:-1]) > percent_max:
        yield field.invalid(path, share, f"must not be greater than {percent_max}%")
