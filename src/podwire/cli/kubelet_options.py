"""`podwire up --kubelet-config FILE --image-bandwidth RATE`: how nodes behave (docs/kubelet.md)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kubeapi.quantity import QuantityError, parse_quantity
from podwire.cli.units import RATES, Quantity
from podwire.cluster.layout import UsageError


@dataclass(frozen=True, slots=True)
class KubeletWish:
    """What a person wants of the nodes."""

    config: str
    image_bandwidth_bit_s: float
    cpu: str
    memory: str
    disk: str


def kubelet_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options, which *function* gets as one argument, `kubelet_wish`."""

    @click.option(
        "--kubelet-config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A KubeletConfiguration: eviction, graceful shutdown, image collection, reservations.",
    )
    @click.option(
        "--image-bandwidth",
        type=Quantity("rate", RATES, "100mbit"),
        metavar="RATE",
        help="How fast a node pulls images, such as 100mbit.  [default: they are there at once]",
    )
    @click.option(
        "--node-cpu", default="4", show_default=True, help="CPUs that a node says it has."
    )
    @click.option("--node-memory", default="8Gi", show_default=True, help="Memory, likewise.")
    @click.option("--node-disk", default="100Gi", show_default=True, help="Disk, likewise.")
    @functools.wraps(function)
    def told(
        *,
        kubelet_config: Path | None,
        image_bandwidth: float | None,
        node_cpu: str,
        node_memory: str,
        node_disk: str,
        **others: Any,
    ) -> None:
        if image_bandwidth is not None and image_bandwidth <= 0:
            raise UsageError("--image-bandwidth must be above 0; write 100mbit")
        _check_quantity("--node-cpu", node_cpu)
        _check_quantity("--node-memory", node_memory)
        _check_quantity("--node-disk", node_disk)
        wish = KubeletWish(
            _read(kubelet_config), image_bandwidth or 0.0, node_cpu, node_memory, node_disk
        )
        function(kubelet_wish=wish, **others)

    return told


def _read(path: Path | None) -> str:
    """Return the text of the file; no kubelet would start with one that makes no sense."""
    if path is None:
        return ""
    # Imported here: no other command needs the kubelet's code.
    from nodeagent.kubelet.configuration import BadConfiguration, parse

    try:
        text = path.read_text()
        parse(text)
    except (OSError, UnicodeError, BadConfiguration) as error:
        raise UsageError(f"--kubelet-config {path}: {error}; see docs/kubelet.md") from None
    return text


def _check_quantity(option: str, text: str) -> None:
    """Raise UsageError unless a node may say that it has so much."""
    try:
        enough = parse_quantity(text) > 0
    except QuantityError:
        enough = False
    if not enough:
        raise UsageError(f"{option} {text!r} is no amount above 0; write 4, 500m or 8Gi")
