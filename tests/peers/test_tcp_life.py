"""How connections between our TCP and Linux' begin, wait and end."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import random
import socket
import struct
import termios
from pathlib import Path

import kernel_tcp
import pytest
from length import LIMIT_S, TIMES
from station import OURS, OURS6, Segment, Station
from wireshark import FULL_WINDOWS, KEEPALIVES, REPAIRS, RESETS, REUSE

from componentbase.clock import monotonic
from netdev.impairment import Impairment
from netstack.tcp import emit
from netstack.tcp.settings import TcpSettings

DATA = random.Random(2).randbytes(300_000)
#: What a full window must have stopped: more than both buffers hold together.
MUCH = random.Random(3).randbytes(3_000_000)
CONNECTIONS = 300 * TIMES
AT_ONCE = 30


def fins(station, direction):
    return [each for each in station.segments(direction) if each.flags & Segment.FIN]


# Ends.


@pytest.mark.asyncio
async def test_who_has_said_all_still_hears(tap_namespace, judge):
    async with Station(tap_namespace) as station:

        async def answer_at_the_end(stream):
            assert await stream.read_all() == b"question"
            await stream.write(DATA)

        station.serve(80, answer_at_the_end)
        with await kernel_tcp.connect(tap_namespace, 80) as connection:
            assert await kernel_tcp.exchange(connection, b"question") == DATA

        async def kernel_answers(connection):
            assert await kernel_tcp.read_all(connection) == b"question"
            await kernel_tcp.write(connection, DATA)

        async with kernel_tcp.serving(tap_namespace, kernel_answers) as port:
            stream = await station.connect(port)
            await stream.write(b"question")
            stream.end()
            assert await stream.read_all() == DATA
            await stream.closed()
        judge(station, FULL_WINDOWS)


@pytest.mark.asyncio
async def test_a_reset_is_an_error_of_the_other(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        errors = []

        async def hold(stream):
            try:
                await stream.read_all()
            except OSError as error:
                errors.append(error)

        station.serve(80, hold)
        kernel_tcp.reset(await kernel_tcp.connect(tap_namespace, 80))
        await station.until(lambda: errors)
        assert isinstance(errors[0], ConnectionResetError)
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener) as connection:
                stream.abort()
                with pytest.raises(ConnectionResetError):
                    await kernel_tcp.read(connection)
        judge(station, RESETS)


@pytest.mark.asyncio
async def test_nobody_listens(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        with pytest.raises(ConnectionRefusedError):
            await kernel_tcp.connect(tap_namespace, 99)
        with pytest.raises(ConnectionRefusedError):
            await station.connect(99)
        judge(station, RESETS)


@pytest.mark.asyncio
async def test_both_close_at_once(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            connection = await kernel_tcp.accept(listener)
        station.impair(Impairment(delay_s=0.05))
        with connection:
            stream.end()
            connection.shutdown(socket.SHUT_WR)
            assert await stream.read_all() == b""
            assert await kernel_tcp.read_all(connection) == b""
            await stream.closed()
        (ours,), (theirs,) = fins(station, "out"), fins(station, "in")
        assert ours.acknowledged == theirs.number, "neither had heard of the other's end"
        assert theirs.acknowledged == ours.number
        judge(station)


@pytest.mark.asyncio
async def test_both_open_at_once(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        await station.ping(b"")
        station.impair(Impairment(delay_s=0.05))
        stream = station.begin(5001, local_port=5002)
        connection = await kernel_tcp.connect(tap_namespace, 5002, local_port=5001)
        with connection:
            await stream.until(lambda: stream.connection.established)
            await stream.write(DATA)
            stream.end()
            assert await kernel_tcp.exchange(connection, DATA) == DATA
            assert await stream.read_all() == DATA
        syns = [each for each in station.segments("in") if each.flags == Segment.SYN]
        assert syns, "the kernel's SYN was on its way to us"
        judge(station, REPAIRS, FULL_WINDOWS)


# Many.


@pytest.mark.asyncio
async def test_many_short_connections(tap_namespace, judge):
    async with Station(tap_namespace) as station:

        async def answer(stream):
            await stream.write(b"<" + await stream.read() + b">")

        async def kernel_answers(connection):
            await kernel_tcp.write(connection, b"<" + await kernel_tcp.read(connection) + b">")

        station.serve(80, answer)
        async with kernel_tcp.serving(tap_namespace, kernel_answers) as port:
            gate = asyncio.Semaphore(AT_ONCE)

            async def ask(number):
                word = b"%d" % number
                async with gate:
                    with await kernel_tcp.connect(tap_namespace, 80) as connection:
                        await kernel_tcp.write(connection, word)
                        assert await kernel_tcp.read_all(connection) == b"<" + word + b">"
                    stream = await station.connect(port)
                    await stream.write(word)
                    assert await stream.read_all() == b"<" + word + b">"
                    stream.close()

            await asyncio.gather(*map(ask, range(CONNECTIONS)))
        judge(station, REUSE)  # Ports are chosen at random.


@pytest.mark.asyncio
async def test_ports_in_time_wait_are_used_again(tap_namespace, judge):
    """Ours closes first and is in TIME-WAIT, Linux comes again from its port; and vice versa."""
    async with Station(tap_namespace) as station:

        async def bye(stream):
            await stream.write(b"bye")

        station.serve(80, bye)
        for _ in range(5):
            connection = await kernel_tcp.connect(tap_namespace, 80, local_port=6000)
            with connection:
                assert await kernel_tcp.read_all(connection) == b"bye"
            await station.silence()
        async with kernel_tcp.serving(
            tap_namespace, lambda each: kernel_tcp.write(each, b"bye")
        ) as port:
            for _ in range(5):
                stream = await station.connect(port, local_port=6001)
                assert await stream.read_all() == b"bye"
                stream.close()
                await stream.closed()
                await station.silence()
        judge(station, REUSE)


# Waiting.


@pytest.mark.asyncio
async def test_our_writer_waits_for_a_reader_of_the_kernel(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener) as connection:
                station.tasks.spawn(stream.write(MUCH), name="writer")
                await station.until(lambda: window_is_zero(station, "in"))
                asked = len(station.segments("out"))
                await station.until(lambda: len(station.segments("out")) > asked)  # A probe.
                # The kernel's word that it reads again is lost; a probe finds out.
                station.loses = lambda seen: seen.direction == "in"
                received = await kernel_tcp.read(connection, 1 << 20)
                await station.silence()
                station.loses = lambda _seen: False
                while len(received) < len(MUCH):
                    received += await kernel_tcp.read(connection)
                assert received == MUCH
        judge(station, FULL_WINDOWS, KEEPALIVES, REPAIRS)


@pytest.mark.asyncio
async def test_a_writer_of_the_kernel_waits_for_our_reader(tap_namespace, judge):
    async with Station(tap_namespace, patient=False) as station:
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener) as connection:
                writer = station.tasks.spawn(kernel_tcp.write(connection, MUCH), name="writer")
                await station.until(lambda: window_is_zero(station, "out"))
                asked = len(station.segments("in"))
                await station.until(lambda: len(station.segments("in")) > asked)  # A probe.
                station.loses = lambda seen: seen.direction == "out"
                received = await stream.read(1 << 20)
                await station.silence()
                station.loses = lambda _seen: False
                while len(received) < len(MUCH):
                    received += await stream.read()
                assert received == MUCH
                await writer
        judge(station, FULL_WINDOWS, KEEPALIVES, REPAIRS)


def window_is_zero(station, direction):
    """Tell whether the last TCP frame of *direction* closed the window."""
    frames = [each for each in station.seen if each.direction == direction and each.segment()]
    return frames and frames[-1].octets[48:50] == b"\0\0"


@pytest.mark.asyncio
async def test_we_keep_alive_and_notice_who_is_gone(tap_namespace, judge):
    # Linux answers probes only twice a second, ours come faster than its own could.
    tap_namespace.sysctl("net.ipv4.tcp_invalid_ratelimit=0")
    async with Station(tap_namespace) as station:
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener):
                begun = len(station.segments("in"))
                stream.connection.set_option(
                    monotonic(), keepalive=True, keepalive_idle_s=0.1,
                    keepalive_interval_s=0.1, keepalive_probes=2,
                )  # fmt: skip
                station.pump()
                await station.until(lambda: len(station.segments("in")) >= begun + 4)
                assert stream.connection.established
                station.impair(to_kernel=Impairment(loss=1.0))
                with pytest.raises(TimeoutError) as gone:
                    await stream.read()
                assert gone.value.errno == errno.ETIMEDOUT
                judge(station, KEEPALIVES, RESETS)


@pytest.mark.asyncio
async def test_the_kernel_keeps_alive_and_notices_who_is_gone(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        with tap_namespace.listen(station.kernel) as listener:
            for name, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 1)):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener) as connection:
                heard, said = len(station.segments("in")), len(station.segments("out"))
                await station.until(lambda: len(station.segments("in")) > heard)
                await station.until(lambda: len(station.segments("out")) > said)
                assert stream.connection.established
                station.impair(to_us=Impairment(loss=1.0))
                with pytest.raises(TimeoutError):
                    await kernel_tcp.read(connection)
        judge(station, KEEPALIVES, RESETS)


# Offers.


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.asyncio
async def test_marks_are_echoed_and_heeded_by_both(tap_namespace, judge, ipv6):
    """Linux offers ECN (RFC 3168), and a router marks the twentieth packet of each way.

    Each end tells of the other's mark until it hears that the window is lower.
    """
    tap_namespace.sysctl("net.ipv4.tcp_ecn=1")
    async with Station(tap_namespace, ipv6=ipv6) as station:
        counts = {"in": itertools.count(1), "out": itertools.count(1)}
        station.marks = lambda frame: next(counts[frame.direction]) == 20

        async def keep(stream):
            await stream.write(await stream.read_all())

        station.serve(80, keep)
        to = OURS6 if ipv6 else OURS
        with await kernel_tcp.connect(tap_namespace, 80, to=to) as connection:
            assert await kernel_tcp.exchange(connection, DATA) == DATA
        offer, answer = station.segments("in")[0], station.segments("out")[0]
        assert offer.flags == Segment.SYN | Segment.ECE | Segment.CWR
        assert answer.flags == Segment.SYN | Segment.ACK | Segment.ECE
        frames = [each for each in station.seen if each.segment()]
        assert any(each.codepoint == 3 for each in frames if each.direction == "in")
        assert any(each.codepoint == 2 for each in frames if each.direction == "out")
        for direction in ("in", "out"):
            flags = [each.flags for each in station.segments(direction)[1:]]
            assert any(each & Segment.CWR for each in flags)
            assert any(each & Segment.ECE for each in flags)
            assert not flags[-1] & Segment.ECE
        judge(station, FULL_WINDOWS)


def codepoints(station, direction):
    """Return what the IP headers of new data say of ECN, and those of data that is sent again."""
    news, again, highest = set(), set(), None
    for each in station.seen:
        segment = each.segment() if each.direction == direction else None
        if segment is None or not segment.length:
            continue
        is_new = highest is None or 0 < (segment.end - highest) & 0xFFFFFFFF < 1 << 31
        (news if is_new else again).add(each.codepoint)
        highest = segment.end if is_new else highest
    return news, again


@pytest.mark.parametrize("loss", [0.0, 0.03], ids=["clean", "lossy"])
@pytest.mark.asyncio
async def test_our_offer_of_ecn_is_answered(tap_namespace, judge, loss):
    """New data is capable of marks; what is sent again, be it a probe only, is not (§6.1.5)."""
    async with Station(tap_namespace, tcp=TcpSettings(ecn=1), patient=not loss) as station:
        station.impair(Impairment(loss=loss, delay_s=0.001 if loss else 0.0))
        async with kernel_tcp.serving(tap_namespace, kernel_tcp.echo) as port:
            stream = await station.connect(port)
            await stream.write(DATA)
            stream.end()
            assert await stream.read_all() == DATA
            stream.close()
            await stream.closed()
        offer, answer = station.segments("out")[0], station.segments("in")[0]
        assert offer.flags == Segment.SYN | Segment.ECE | Segment.CWR
        assert answer.flags == Segment.SYN | Segment.ACK | Segment.ECE
        for direction in ("in", "out"):
            news, again = codepoints(station, direction)
            assert news == {2}
            assert again == {0} if loss else again <= {0}
        judge(station, FULL_WINDOWS, REPAIRS if loss else ())


@pytest.mark.asyncio
async def test_an_idle_connection_slows_down_and_goes_on(tap_namespace, judge):
    """A pause, then a burst: nothing is lost by it, on a queue that takes a round trip's worth."""
    async with Station(tap_namespace, tcp=TcpSettings()) as station:
        station.impair(Impairment(delay_s=0.01, rate_bit_s=100e6, limit=200))
        with tap_namespace.listen(station.kernel) as listener:
            stream = await station.connect(listener.getsockname()[1])
            with await kernel_tcp.accept(listener) as connection:
                for _ in range(3):
                    received = b""
                    await stream.write(DATA)
                    async with asyncio.timeout(LIMIT_S):
                        while len(received) < len(DATA):
                            received += await kernel_tcp.read(connection)
                    assert received == DATA
                    await asyncio.sleep(0.3)
        judge(station, FULL_WINDOWS, REPAIRS)


# Windows that shrink.


def beyond_the_window(station):
    """Return how many of our segments without data came from before what we had sent already."""
    highest, count = 0, 0
    for each in station.segments("out", 80):
        if each.length:
            highest = max(highest, each.end)
        elif not each.flags & Segment.SYN and each.number < highest:
            count += 1
    return count


async def shrunk(namespace, station):
    """Let the kernel shrink its window below what is on its way; return its end, and ours."""
    # The right edge may move back (Linux 6.5), and the scale is large.
    if not Path("/proc/sys/net/ipv4/tcp_shrink_window").exists():
        pytest.skip("this kernel never shrinks a window (net.ipv4.tcp_shrink_window)")
    namespace.sysctl("net.ipv4.tcp_shrink_window=1", "net.ipv4.tcp_rmem=4096 131072 67108864")
    accepted = asyncio.get_running_loop().create_future()

    async def handle(stream):
        accepted.set_result(stream)
        await stream.closed()

    station.serve(80, handle)
    connection = await kernel_tcp.connect(namespace, 80)
    stream = await accepted
    for _ in range(100):  # Small segments: each takes far more of the buffer than its octets.
        await stream.write(b"x" * 100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # They are on their way.
    tcb = stream.connection
    await station.until(lambda: tcb.snd_nxt > tcb.snd_una + tcb.snd_wnd)
    return connection, stream


def unacknowledged(connection):
    """Return how much of what the kernel has sent, or will, is not acknowledged (SIOCOUTQ)."""
    asked = fcntl.ioctl(connection, termios.TIOCOUTQ, struct.pack("i", 0))
    return struct.unpack("i", asked)[0]


async def all_is_acknowledged(station, connection):
    await kernel_tcp.write(connection, DATA)
    await station.until(lambda: unacknowledged(connection) == 0)


@pytest.mark.asyncio
async def test_window_that_shrinks_below_what_is_sent_stops_no_acknowledgment(tap_namespace):
    async with Station(tap_namespace) as station:
        station.impair(Impairment(delay_s=0.05, limit=10_000))
        connection, stream = await shrunk(tap_namespace, station)
        with connection:
            await all_is_acknowledged(station, connection)
            assert beyond_the_window(station) > 0
            stream.abort()


@pytest.mark.asyncio
async def test_without_that_linux_hears_no_acknowledgment(tap_namespace, monkeypatch):
    """The other side of the proof: from SND.NXT, Linux drops them."""
    monkeypatch.setattr(emit, "_acceptable", lambda tcb: tcb.snd_nxt)
    async with Station(tap_namespace) as station:
        station.impair(Impairment(delay_s=0.05, limit=10_000))
        connection, stream = await shrunk(tap_namespace, station)
        with connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.0):  # Only what is sent again carries any news.
                    await all_is_acknowledged(station, connection)
            stream.abort()
