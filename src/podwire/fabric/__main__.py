"""`python -m podwire.fabric CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase import process
from podwire.fabric.config import Config
from podwire.fabric.run import FabricProcess


def main(argv: list[str]) -> int:
    """Run the network between the hosts that the configuration file describes."""
    if len(argv) != 1:
        print("usage: python -m podwire.fabric CONFIG.json", file=sys.stderr)
        return 2
    path = Path(argv[0])
    config = process.load_config(Config, path)
    try:
        _ = config.topology
    except ValueError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    log_file = Path(config.log_file) if config.log_file else None
    return process.run("fabric", log_file, FabricProcess(config).run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
