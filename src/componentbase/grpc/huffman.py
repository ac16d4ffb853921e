"""The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), read only: we send plain text.

The code is canonical: among codes in the order of length and symbol each is its predecessor plus
one. So the lengths say everything.
"""

from __future__ import annotations

from typing import Final

#: Bits of the code of each octet, sixteen to a line, then that of the end of the string.
_LENGTHS: Final = bytes.fromhex(
    "0d 17 1c 1c 1c 1c 1c 1c 1c 18 1e 1c 1c 1e 1c 1c"
    "1c 1c 1c 1c 1c 1c 1e 1c 1c 1c 1c 1c 1c 1c 1c 1c"
    "06 0a 0a 0c 0d 06 08 0b 0a 0a 08 0b 08 06 06 06"
    "05 05 05 06 06 06 06 06 06 06 07 08 0f 06 0c 0a"
    "0d 06 07 07 07 07 07 07 07 07 07 07 07 07 07 07"
    "07 07 07 07 07 07 07 07 08 07 08 0d 13 0d 0e 06"
    "0f 05 06 05 06 05 06 06 06 05 07 07 06 06 06 05"
    "06 07 06 05 05 06 07 07 07 07 07 0f 0b 0e 0d 1c"
    "14 16 14 14 16 16 16 17 16 17 17 17 17 17 18 17"
    "18 18 16 17 18 17 17 17 17 15 16 17 16 17 17 18"
    "16 15 14 16 16 17 17 15 17 16 16 18 15 16 17 17"
    "15 15 16 15 17 16 17 17 14 16 16 16 17 16 16 17"
    "1a 1a 14 13 16 17 16 19 1a 1a 1a 1b 1b 1a 18 19"
    "13 15 1a 1b 1b 1a 1b 18 15 15 1a 1a 1c 1b 1b 1b"
    "14 18 14 15 16 15 15 17 16 16 19 19 18 18 1a 17"
    "1a 1b 1a 1a 1b 1b 1b 1b 1b 1c 1b 1b 1b 1b 1b 1a"
    "1e"
)
_END: Final = 256
_PADDING_MAX: Final = 7


def _codes() -> dict[tuple[int, int], int]:
    """Return the symbol of each (length, code)."""
    codes: dict[tuple[int, int], int] = {}
    code = length = 0
    for symbol in sorted(range(_END + 1), key=lambda each: (_LENGTHS[each], each)):
        code <<= _LENGTHS[symbol] - length
        length = _LENGTHS[symbol]
        codes[length, code] = symbol
        code += 1
    return codes


_CODES: Final = _codes()


def decode(octets: bytes) -> bytes:
    """Return the text that *octets* stand for; raises ValueError."""
    text = bytearray()
    code = length = 0
    for octet in octets:
        for shift in range(7, -1, -1):
            code, length = code << 1 | octet >> shift & 1, length + 1
            symbol = _CODES.get((length, code))
            if symbol is None:
                continue
            if symbol == _END:
                raise ValueError("huffman: the end of the string is spelled out")
            text.append(symbol)
            code = length = 0
    if length > _PADDING_MAX or code != (1 << length) - 1:
        raise ValueError("huffman: wrong padding")
    return bytes(text)
