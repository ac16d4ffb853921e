"""What is imported before the forks, once for all of them."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import podwire.launcher.entries
from componentbase import process
known = {*sys.modules}
process.new_event_loop().close()
print(sorted({*sys.modules} - known))
"""


def test_the_event_loop_is_there_before_the_forks() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
