"""`python -m controlplane.scheduler CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase.process import load_config, run
from controlplane.scheduler.config import Config
from controlplane.scheduler.run import run_scheduler


def main(argv: list[str]) -> int:
    """Run until a signal; *argv* is the path of the configuration file."""
    config = load_config(Config, Path(argv[0]))
    return run(config.name, Path(config.log_file), lambda: run_scheduler(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
