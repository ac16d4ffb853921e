"""YAML that may come from anybody: documents nest only so deep.

libyaml's composer calls itself for each level, in C and without a bound: 50,000 brackets end the
process. The resolver's hooks, which it calls on its way down and up, are what Python sees of that.
"""

from __future__ import annotations

from typing import Final

import yaml

#: Deeper than any object, or any of Kubernetes' own schemas, could be.
DEPTH_MAX: Final = 200


class BoundedLoader(yaml.CSafeLoader):
    """yaml.CSafeLoader that raises YAMLError for what nests deeper than `DEPTH_MAX`."""

    _depth = 0

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise yaml.YAMLError(f"it nests deeper than {DEPTH_MAX} levels")

    def ascend_resolver(self) -> None:
        self._depth -= 1
