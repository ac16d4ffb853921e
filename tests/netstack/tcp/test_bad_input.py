"""Peers that say anything at all: whatever they send, bounds hold and nothing escapes.

Hypothesis plays the peer: segments near the window and far from it, selective acknowledgments that
contradict each other, windows of any size, timestamps from anywhere, and time between them.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netstack.tcp import reassembly, scoreboard, send
from netstack.tcp.settings import TcpSettings
from netstack.wire.tcp import Flag, Options

ACK = Flag.ACK
BUFFER = 20_000
SMALL = TcpSettings(send_buffer_octets=BUFFER, receive_buffer_octets=BUFFER)
PLAIN = Options(mss=1000, window_scale=0, sack_permitted=True)
STAMPED = Options(mss=1012, window_scale=0, sack_permitted=True, timestamps=(1000, 0))

wild = st.one_of(st.integers(-40_000, 40_000), st.integers(-(1 << 31), 1 << 31))
grid = st.integers(0, 20).map(lambda each: each * 1000)
offsets = st.one_of(grid, grid, wild)
likely = st.tuples(grid, st.integers(1, 4)).map(lambda each: (each[0], each[0] + each[1] * 1000))
blocks = st.lists(st.one_of(likely, likely, likely, st.tuples(wild, wild)), max_size=3)
segments = st.fixed_dictionaries({
    "flags": st.sampled_from([ACK, ACK, ACK, ACK, ACK | Flag.PSH, ACK | Flag.FIN, Flag.SYN,
                              ACK | Flag.SYN, Flag(0), ACK | Flag.URG]),
    "sequence": st.one_of(st.just(0), offsets),
    "ack": st.one_of(st.just(0), st.just(0), grid, wild),
    "window": st.sampled_from([65535] * 6 + [0, 1, 7, 999, 1000]),
    "octets": st.sampled_from([0, 0, 0, 1, 500, 1460]),
    "blocks": blocks,
    "echo": st.integers(-400, 400),
})  # fmt: skip
waits = st.sampled_from([0.001, 0.03, 0.1, 0.3, 2.0]).map(lambda each: {"wait": each})
writes = st.sampled_from([1, 999, 5000, BUFFER]).map(lambda each: {"write": each})
steps = st.lists(st.one_of(segments, segments, segments, waits, writes), max_size=40)


class Fuzzed:
    """A connection and what it may never do."""

    def __init__(self, talk, options):
        self.talk, self.stamped = talk, options.timestamps is not None
        self.connection = talk.accepted(options)
        talk.say(ACK, window=65535)
        self.una = self.connection.snd_una
        self.echo = self.connection.ts_offset + int(talk.now * 1000)
        self.do({"write": BUFFER})

    def do(self, step):
        connection, talk = self.connection, self.talk
        if "wait" in step:
            sent = talk.wait(step["wait"])
        elif "write" in step:
            connection.write(b"x" * step["write"], talk.now)
            sent = talk.hear()
        else:
            sent = self._say(step)
        connection.read(1 << 20, talk.now)
        self._check(sent + talk.hear())

    def _say(self, step):
        connection = self.connection
        numbers = tuple(
            tuple((connection.snd_una + each) & 0xFFFFFFFF for each in block)
            for block in step["blocks"]
        )
        stamps = (1001, (self.echo + step["echo"]) & 0xFFFFFFFF) if self.stamped else None
        return self.talk.say(
            step["flags"],
            b"y" * step["octets"],
            sequence=connection.rcv_nxt + step["sequence"],
            ack=connection.snd_una + step["ack"],
            window=step["window"],
            options=Options(sack=numbers, timestamps=stamps),
        )

    def _check(self, sent):
        connection = self.connection
        assert connection.snd_una <= connection.snd_nxt
        assert connection.snd_una >= self.una
        self.una = connection.snd_una
        assert 0 <= send.in_flight(connection) <= 3 * BUFFER
        assert connection.send_buffer.octets <= BUFFER
        assert len(connection.bursts) <= send.BURSTS_MAX
        assert len(connection.sack.ranges) <= scoreboard.RANGES_MAX
        assert len(connection.held.recent(9999)) <= reassembly.BLOCKS_MAX
        resent = connection.resent.ranges
        assert resent == sorted(resent)
        assert all(connection.iss < low < high <= connection.snd_nxt for low, high, _ in resent)
        # Nothing the peer says makes us say more than the buffer holds, twice.
        assert sum(len(each.payload) for each in sent) <= 2 * BUFFER + 2000


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=steps)
def test_peer_that_says_anything_is_survived(converse, conversation):
    for options in (PLAIN, STAMPED, Options(mss=1000)):
        fuzzed = Fuzzed(converse(SMALL), options)
        for step in conversation:
            fuzzed.do(step)
        fuzzed.talk.wait(5000)
        assert not fuzzed.talk.host.tcp.connections() or not fuzzed.connection.send_buffer.octets


def test_user_who_writes_octet_by_octet_costs_no_memory(converse):
    """The peer acknowledges nothing; what was sent at too many moments counts as sent late."""
    talk = converse()
    connection = talk.accepted(Options(mss=60000, window_scale=7, sack_permitted=True))
    connection.set_option(talk.now, nodelay=True)
    for _ in range(send.BURSTS_MAX + 500):
        talk.now += 1e-6
        connection.write(b"x", talk.now)
    assert len(talk.hear()) == send.BURSTS_MAX + 500
    assert len(connection.bursts) == send.BURSTS_MAX
    assert connection.bursts[-1] == (connection.snd_nxt, talk.now)
    talk.say(ACK)
    assert not connection.bursts


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=steps)
def test_honest_peer_gets_everything_after_any_nonsense_that_acknowledges_nothing(
    converse, conversation
):
    """What only confuses (wrong windows, SACK of anything, duplicates) loses no octet."""
    fuzzed = Fuzzed(converse(SMALL), PLAIN)
    connection, talk = fuzzed.connection, fuzzed.talk
    for step in conversation:
        harmless = {"ack": 0, "flags": ACK, "octets": 0, "sequence": 0}
        fuzzed.do(step | harmless if "ack" in step else step)
        if connection.closed:
            return  # The window stayed shut for too long.
    held = {}
    for _ in range(400):
        # An honest receiver: what came in order is acknowledged, nothing else is claimed.
        upto = connection.snd_una
        while upto in held:
            upto = held[upto]
        heard = talk.say(ACK, ack=upto, window=65535) + talk.wait(0.3)
        for each in heard:
            start = upto + ((each.sequence - upto + (1 << 31)) % (1 << 32) - (1 << 31))
            if each.payload:
                held[start] = max(held.get(start, 0), start + len(each.payload))
        for start in sorted(held):
            if start <= upto < held[start]:
                upto = held[start]
                held[connection.snd_una] = upto
        if not connection.send_buffer.octets:
            break
    assert not connection.send_buffer.octets


def test_windows_of_a_few_octets_draw_few_segments(talk):
    """A peer that opens its window octet by octet makes us send neither often nor silly ones."""
    connection = talk.accepted(Options(mss=1000))
    talk.say(ACK, window=8000)
    connection.write(b"x" * 200_000, talk.now)
    talk.hear()
    talk.say(ACK, window=0)
    heard = [len(each.payload) for _ in range(300) for each in talk.say(ACK, window=1 + _ % 3)]
    assert heard == []
    heard = []
    for number in range(600):  # A minute: what a small window never grows for is sent in the end.
        heard += [len(each.payload) for each in talk.wait(0.1)]
        heard += [len(each.payload) for each in talk.say(ACK, window=1 + number % 3)]
    assert 0 < len(heard) < 350
    assert sum(heard) < 1000


def test_segments_of_one_octet_cost_memory_for_their_octets_and_their_gaps(talk):
    """In order they are joined; out of order there is a bound on how many gaps are remembered."""
    connection = talk.accepted(PLAIN)
    answers = sum(len(talk.say(ACK, b"x")) for _ in range(2000))
    assert connection.readable_octets == 2000
    assert answers <= 1001
    for number in range(3000):
        talk.say(ACK, b"y", sequence=talk.sequence + 2 * number + 2)
    assert len(connection.held.recent(10_000)) <= reassembly.BLOCKS_MAX
