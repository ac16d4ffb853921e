"""What the cluster's zygote can fork. Importing this module is what makes it warm.

What a pod needs comes first: what is imported together lies together in memory, and pods are the
most numerous of those who pay for each page that they write to. Whoever forks the zygote imports
this module before its own needs for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import podruntime.sandbox.warm  # isort: split

import clusterdns.run  # noqa: F401 - The program of the DNS pods: 4 MB less for each of them.
import controlplane.apiserver.__main__
import controlplane.controllermanager.__main__
import controlplane.scheduler.__main__
import nodeagent.__main__
import nodeagent.datapath.__main__
import nodeagent.hollow.__main__
import podruntime.__main__
import podwire.fabric.__main__
from componentbase.zygote import Entry
from podwire.launcher import etcd

with suppress(ImportError):  # Without uvloop there is no loop of ours.
    import componentbase.event_loop  # noqa: F401 - 1 MB less for each process.

ENTRIES: Final[Mapping[str, Entry]] = {
    "etcd": etcd.main,
    "apiserver": controlplane.apiserver.__main__.main,
    "controllermanager": controlplane.controllermanager.__main__.main,
    "scheduler": controlplane.scheduler.__main__.main,
    "fabric": podwire.fabric.__main__.main,
    "podruntime": podruntime.__main__.main,
    "datapath": nodeagent.datapath.__main__.main,
    "hollow": nodeagent.hollow.__main__.main,
    "nodeagent": nodeagent.__main__.main,
}
