"""`python -m benchmarks.datapath COMPILER`: rows as JSON, measured in this network namespace."""

from __future__ import annotations

import sys

from benchmarks.datapath import forwarding

if __name__ == "__main__":
    forwarding.measure(sys.argv[1])
