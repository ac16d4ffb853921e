"""What holds for all tests: a noisy machine makes no property test fail, and chance names none."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

import pytest
from hypothesis import settings

settings.register_profile("podwire", deadline=None)
settings.load_profile("podwire")

# Thirteen thousand tests are made while they are collected, and none of them is garbage: not
# looking for any then, and never at them again, halves what a worker needs before its first test.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


#: Longer texts are tokens, keys and the like: no names.
_NAME_MAX = 100


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name octets and long texts by their argument and number, not by what they hold.

    They may be made by chance anew in each of xdist's workers, whose tests must have one name.
    """
    nameless = isinstance(val, bytes) or (isinstance(val, str) and len(val) > _NAME_MAX)
    return argname if nameless else None


#: The user whom files of nobody belong to.
_NOBODY = 65534


@pytest.fixture(scope="session")
def as_nobody() -> Callable[[Callable[[], object]], int]:
    """Run a function in a child of this process that is not root; return its exit status."""

    def run(function: Callable[[], object]) -> int:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(_NOBODY)
                    os.setuid(_NOBODY)
                function()
                status = 0
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run
