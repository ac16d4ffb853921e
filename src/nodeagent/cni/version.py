"""Versions of the CNI protocol: which we speak, and which one a network is run with.

SPEC.md, "Version considerations". Beyond libcni, what plugins answer to VERSION counts, as the
specification allows: a network that lists several versions then works with older plugins.
Before 0.4.0 there was no CHECK, and DEL knew no result; we do not go there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from nodeagent.cni.errors import CniError, Code

#: What our runtime and our plugins speak, oldest first.
SUPPORTED: Final = ("0.4.0", "1.0.0", "1.1.0")
_FORM: Final = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")

Version = tuple[int, ...]
#: Of GC and STATUS, and of an interface's mtu in a result.
FIRST_WITH_GC: Final = (1, 1, 0)
#: From here on addresses in results say no family.
FIRST_WITHOUT_FAMILY: Final = (1, 0, 0)


def parse(text: str) -> Version:
    """Return *text* as numbers that compare; raises CniError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"invalid cniVersion {text!r}")
    return tuple(map(int, match.groups()))


def incompatible(config: str, supported: Sequence[str]) -> CniError:
    """Return the error of a plugin that does not speak *config*."""
    details = f'config is "{config}", plugin supports [{" ".join(supported)}]'
    return CniError(Code.INCOMPATIBLE_VERSION, "incompatible CNI versions", details)


def candidates(listed: Iterable[str]) -> list[str]:
    """Return those of *listed* that we speak, newest first; raises CniError for none."""
    versions = sorted(dict.fromkeys(listed), key=parse)
    found = [text for text in reversed(versions) if text in SUPPORTED]
    if not found:
        raise incompatible(" ".join(versions), SUPPORTED)
    return found


def choose(offered: Sequence[str], plugins: Iterable[Sequence[str]]) -> str:
    """Return the first of *offered* that all *plugins* speak; else the first, as libcni does.

    The plugin that does not speak it then says so itself.
    """
    everyone = [set(each) for each in plugins]
    for text in offered:
        if all(text in each for each in everyone):
            return text
    return offered[0]
