"""`make bench`: measure everything and rewrite docs/benchmarks.md.

`python -m benchmarks [SECTION …]` measures only some sections and prints, without writing.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from benchmarks import (
    api,
    apiserver,
    authorization,
    cluster,
    containers,
    dns,
    etcd,
    fabric,
    failover,
    ingress,
    load,
    pod_memory,
    policy,
    proxy,
    scale,
    services,
    wire,
)
from benchmarks.datapath import forwarding
from benchmarks.row import Row

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"

SECTIONS: Final[dict[str, tuple[str, Callable[[], Iterable[Row]]]]] = {
    "cluster": ("Clusters", cluster.run),
    "pods": ("Pods", pod_memory.run),
    "scale": ("Many nodes and pods", scale.run),
    "containers": ("Containers", containers.run),
    "failover": ("What clients lose", failover.run),
    "api": ("The Kubernetes API", api.run),
    "authorization": ("Who may do what", authorization.run),
    "apiserver": ("One API server alone", apiserver.run),
    "etcd": ("The store over one etcd", etcd.run),
    "proxy": ("Service changes", proxy.run),
    "services": ("Many Services", services.run),
    "policy": ("Network policies", policy.run),
    "dns": ("The cluster's DNS", dns.run),
    "ingress": ("Ingress", ingress.run),
    "datapath": ("A datapath alone", forwarding.run),
    "wire": ("The wire", wire.run),
    "load": ("The load generator", load.run),
    "fabric": ("The network between hosts", fabric.run),
}

_HEAD: Final = """# Benchmarks

Written by `make bench`; a change that moves a figure commits the new table. Ratios are taken
against a reference measured in the same run. Absolute times are of one small machine
({machine}) and vary with its load.
"""


def main(names: list[str]) -> int:
    """Run the sections called *names*, or all of them."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"no section {unknown[0]}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    # What starts is measured as it is installed: compiled, and not anew at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    page = [_HEAD.format(machine=machine)]
    for name, (title, measure) in SECTIONS.items():
        if names and name not in names:
            continue
        page.append(f"\n## {title}\n\n| what | measured | goal | |\n|---|---|---|---|\n")
        for row in measure():
            mark = {True: "met", False: "**missed**", None: ""}[row.met]
            line = f"| {row.what} | {row.value} | {row.goal} | {mark} {row.note}".rstrip() + " |\n"
            page.append(line)
            print(line, end="", flush=True)
    if not names:
        PAGE.write_text("".join(page))
        print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
