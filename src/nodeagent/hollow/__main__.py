"""The hollow nodes as a process: `python -m nodeagent.hollow CONFIG.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from componentbase import process
from nodeagent.hollow.config import HollowConfig
from nodeagent.hollow.run import HollowNodes


def main(argv: list[str]) -> int:
    """Run the hollow nodes that the configuration file in *argv* describes."""
    if len(argv) != 1:
        print("usage: python -m nodeagent.hollow CONFIG.json", file=sys.stderr)
        return 2
    config = process.load_config(HollowConfig, Path(argv[0]))

    async def run() -> None:
        await HollowNodes(config).run()

    return process.run("hollow nodes", Path(config.log_file), run)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
