"""What holds for all tests: a noisy machine makes no property test fail, and chance names none."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("podwire", deadline=None)
settings.load_profile("podwire")

#: Longer texts are tokens, keys and the like: no names.
_NAME_MAX = 100


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name octets and long texts by their argument and number, not by what they hold.

    They may be made by chance anew in each of xdist's workers, whose tests must have one name.
    """
    nameless = isinstance(val, bytes) or (isinstance(val, str) and len(val) > _NAME_MAX)
    return argname if nameless else None
