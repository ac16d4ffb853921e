"""`podwire up --cni-conf FILE`: the pods' network as its user describes it (docs/cni.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from nodeagent.cni import conflist
from nodeagent.cni.errors import CniError
from podwire.cluster.layout import UsageError


def _read(_context: click.Context, _option: click.Parameter, path: Path | None) -> str:
    """Return the text of the file; a cluster would not come up with one that makes no sense."""
    if path is None:
        return ""
    try:
        text = path.read_text()
        conflist.verify_template(text)
    except (OSError, UnicodeError, CniError) as error:
        raise UsageError(f"--cni-conf {path}: {error}; docs/cni.md has an example") from None
    return text


cni_option: Final = click.option(
    "--cni-conf",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read,
    metavar="FILE",
    help="A CNI network configuration list for all nodes, instead of our own.",
)
