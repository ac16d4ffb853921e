"""Wire formats, one module each: views read octets without judging, values make sense.

An `XView` gives the fields of octets that claim to be an X; it checks only that the fixed header
is there. `X.parse(view)` judges and returns a value, or raises `MalformedPacket`; `X.emit` writes
the value, checksums included, such that `X.parse(XView(x.emit()))` equals `x`.
"""

from netstack.wire.malformed import MalformedPacket

__all__ = ["MalformedPacket"]
