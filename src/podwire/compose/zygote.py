"""What a node's container can fork; importing this module is what makes a process warm.

The first zygote is a fork of the container's first process; should it die, that starts
`python -m podwire.compose.zygote FD` in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

import clusterdns.run  # noqa: F401 - The program of the DNS pods: 4 MB less for each of them.
import nodeagent.__main__
import nodeagent.datapath.__main__
import podruntime.__main__
from componentbase.zygote import Entry, serve_inherited
from podwire.compose import balancer

TITLE: Final = "node zygote"
MODULE: Final = "podwire.compose.zygote"

#: Role -> what to run, in the order of starting.
ENTRIES: Final[Mapping[str, Entry]] = {
    "balancer": balancer.main,  # Where there are several masters.
    "podruntime": podruntime.__main__.main,
    "datapath": nodeagent.datapath.__main__.main,
    "nodeagent": nodeagent.__main__.main,
}


if __name__ == "__main__":
    sys.exit(serve_inherited(int(sys.argv[1]), ENTRIES, title=TITLE))
