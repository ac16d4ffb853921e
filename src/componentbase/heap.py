"""Memory for packets: keep what was freed instead of giving it back to the kernel.

A window of frames is some blocks of 64 KiB that come and go many thousand times a second. glibc
gives the top of its heap back when 128 KiB of it are free, and the kernel then has to find and to
zero the same pages again: that costs several times as much as carrying what is in them.

glibc has no setting that a program in Python reaches, but it learns: the size of a block that had
a mapping of its own and was freed becomes the bound for such mappings, and twice that the bound for
giving back (mallopt(3), M_MMAP_THRESHOLD). Other C libraries do not mind.
"""

from __future__ import annotations

from typing import Final

#: So much is let go of before any of it is given back.
KEPT_OCTETS: Final = 4 * 1024 * 1024


def keep_freed() -> None:
    """Keep up to `KEPT_OCTETS` of freed memory from now on, in this process and its children."""
    bytes(KEPT_OCTETS // 2)  # Zeroes that nobody looks at: mapped and unmapped, never touched.
