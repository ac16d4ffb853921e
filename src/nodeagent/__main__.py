"""The nodeagent as a process: `python -m nodeagent CONFIG.json`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from componentbase import process
from nodeagent.config import NodeAgentConfig
from nodeagent.kubelet.bootstrap import join
from nodeagent.run import NodeAgent


def main(argv: list[str]) -> int:
    """Run the nodeagent that the configuration file in *argv* describes."""
    if len(argv) != 1:
        print("usage: python -m nodeagent CONFIG.json", file=sys.stderr)
        return 2
    config = process.load_config(NodeAgentConfig, Path(argv[0]))

    async def run() -> None:
        if not Path(config.kubeconfig).exists() and config.bootstrap_kubeconfig:
            await join(config)
        agent, this = NodeAgent(config), asyncio.current_task()
        assert this is not None
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, agent.shut_down, this.cancel)
        await agent.run()

    return process.run(f"{config.node_name} nodeagent", Path(config.log_file), run)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
