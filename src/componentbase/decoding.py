"""What decoding the octets of others raises.

msgspec has errors of its own, lets Python's through for a text that is no UTF-8, and the
interpreter's for lists in lists beyond the depth of its stack. Whoever decodes a file or a message
catches all three (a tidy test looks), so that none of them is taken for a fault of the program.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
