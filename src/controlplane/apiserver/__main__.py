"""`python -m controlplane.apiserver CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase.process import load_config, run
from controlplane.apiserver.config import Config
from controlplane.apiserver.run import serve


def main(argv: list[str]) -> int:
    """Run the API server; returns the exit status."""
    if len(argv) != 1:
        print("usage: python -m controlplane.apiserver CONFIG.json", file=sys.stderr)
        return 2
    config = load_config(Config, Path(argv[0]))
    return run(config.name, Path(config.log_file), lambda: serve(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
