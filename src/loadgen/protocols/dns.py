"""Questions to a DNS server over UDP, and how well they were answered (RFC 1035 §4).

A question is asked with recursion desired and a fresh identifier; an answer to another question is
left out, as a resolver does. Only what decides about success is read: the header and the
question. An answer without records is a success if its code says so (NODATA, RFC 2308 §2.2).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from loadgen.http1 import BadResponse
from loadgen.outcome import OK
from loadgen.plan import LoadPlan, PlanError
from loadgen.protocols.codec import Answer

RECORDS: Final[Mapping[str, int]] = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "ANY": 255,
}
_CODES: Final[Mapping[int, str]] = {
    0: OK,
    1: "formerr",
    2: "servfail",
    3: "nxdomain",
    4: "notimp",
    5: "dns-refused",
}
_HEADER: Final = struct.Struct("!6H")
_IN: Final = 1
_RECURSION_DESIRED: Final = 1 << 8
_TRUNCATED: Final = 1 << 9
_IS_RESPONSE: Final = 1 << 15
_LABEL_MAX: Final = 63
_NAME_MAX: Final = 255


class DnsCodec:
    """One socket that asks one server the same question."""

    def __init__(self, plan: LoadPlan) -> None:
        self._question = question(plan.target.path, plan.target.record)
        self._number = plan.seed & 0xFFFF

    def request(self) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        header = _HEADER.pack(self._number, _RECURSION_DESIRED, 1, 0, 0, 0)
        return header + self._question

    def feed(self, octets: bytes) -> Answer | None:
        if len(octets) < _HEADER.size:
            raise BadResponse(f"{len(octets)} octets are no DNS message")
        number, flags, questions, *_ = _HEADER.unpack_from(octets)
        if not flags & _IS_RESPONSE:
            raise BadResponse("the answer is a question")
        if number != self._number:
            return None
        code = flags & 0xF
        # A server that could not read the question need not repeat it.
        if questions and not octets[_HEADER.size :].lower().startswith(self._question.lower()):
            raise BadResponse("the answer is to another question")
        if flags & _TRUNCATED and code == 0:
            return Answer("truncated")
        return Answer(_CODES.get(code, f"dns-{code}"))

    def end(self) -> Answer | None:
        return None

    @property
    def is_idle(self) -> bool:
        return True


def question(name: str, record: str) -> bytes:
    """Return a question's octets; raises PlanError for what DNS has no room for."""
    if record not in RECORDS:
        raise PlanError(f"{record!r} is no type of DNS record; there are {', '.join(RECORDS)}")
    octets = b""
    for label in name.split("."):
        try:
            text = label.encode("idna")
        except UnicodeError:
            text = b""
        if not 0 < len(text) <= _LABEL_MAX:
            raise PlanError(f"{name!r} is no DNS name: {label!r} is no label of 1 to 63 octets")
        octets += bytes([len(text)]) + text
    octets += b"\0"
    if len(octets) > _NAME_MAX:
        raise PlanError(f"{name!r} is no DNS name: it is longer than {_NAME_MAX} octets")
    return octets + struct.pack("!2H", RECORDS[record], _IN)
