"""How much is tried: as much as `make test` has time for, or more (`PODWIRE_PEERS=long`)."""

from __future__ import annotations

import os

LONG = os.environ.get("PODWIRE_PEERS") == "long"
#: How many times as much data, connections and seeds.
TIMES = 5 if LONG else 1
#: Who does not answer by then never will.
LIMIT_S = 30 * TIMES
