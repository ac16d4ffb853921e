"""Proportional rate reduction (RFC 6937, RFC 9937): how much a recovery sends at each moment.

The window comes down to the new threshold in step with what arrives, instead of all at once; when
losses have emptied the path below the threshold it is filled again, as fast as slow start would
where acknowledgments show that nothing more gets lost (SSRB), one for one otherwise (CRB).
"""

from __future__ import annotations


class Prr:
    """One recovery. Octets, by the names of the RFC."""

    __slots__ = ("prr_delivered", "prr_out", "recover_fs", "ssthresh")

    def __init__(self, recover_fs: int, ssthresh: int) -> None:
        self.recover_fs, self.ssthresh = max(1, recover_fs), ssthresh
        self.prr_delivered = self.prr_out = 0

    def on_ack(self, delivered: int, in_flight: int, mss: int, *, safe: bool) -> int:
        """Return how much may be sent now that *delivered* octets more arrived."""
        self.prr_delivered += delivered
        if in_flight > self.ssthresh:
            proportion = -(-self.prr_delivered * self.ssthresh // self.recover_fs)
            room = proportion - self.prr_out
        else:
            room = max(self.prr_delivered - self.prr_out, delivered) + (mss if safe else 0)
            room = min(self.ssthresh - in_flight, room)
        if not self.prr_out and room < mss:
            room = mss  # Fast retransmit: the first goes out in any case.
        return max(0, room)
