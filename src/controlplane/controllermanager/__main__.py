"""`python -m controlplane.controllermanager CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase.process import load_config, run
from controlplane.controllermanager.config import Config
from controlplane.controllermanager.run import run_manager


def main(argv: list[str]) -> int:
    """Run until a signal; *argv* is the path of the configuration file."""
    if len(argv) != 1:
        print("usage: python -m controlplane.controllermanager CONFIG.json", file=sys.stderr)
        return 2
    config = load_config(Config, Path(argv[0]))
    return run(config.name, Path(config.log_file), lambda: run_manager(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
