"""`python -m podwire.compose WHAT`: the commands of compose.yaml, none of them for people."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_USAGE: Final = "usage: python -m podwire.compose setup | node | health WHAT"
#: Where the setup's container has everybody's volume.
_VOLUMES: Final = Path("/cluster")


def main(argv: list[str]) -> int:
    """Do what compose.yaml asks for; each part imports what it needs and no more."""
    match argv:
        case ["setup"]:
            return _setup()
        case ["node"]:
            from podwire.compose.node import main as run_node

            return run_node()
        case ["health", what]:
            from podwire.compose import health

            return health.ask(what)
    print(_USAGE, file=sys.stderr)
    return 2


def _setup() -> int:
    from podwire.cluster.layout import UsageError
    from podwire.compose import settings, setup

    try:
        setup.run(_VOLUMES, settings.from_environment(os.environ))
    except UsageError as error:
        print(f"podwire: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
