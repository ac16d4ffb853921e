"""`python -m nodeagent.datapath CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase import process
from nodeagent.datapath.config import Config
from nodeagent.datapath.run import Datapath


def main(argv: list[str]) -> int:
    """Run the datapath of the node that the configuration file describes."""
    if len(argv) != 1:
        print("usage: python -m nodeagent.datapath CONFIG.json", file=sys.stderr)
        return 2
    config = process.load_config(Config, Path(argv[0]))
    log_file = Path(config.log_file) if config.log_file else None
    return process.run(f"{config.node_name} datapath", log_file, lambda: Datapath(config).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
