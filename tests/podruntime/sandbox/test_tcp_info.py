"""TCP_INFO: Linux's struct, filled by Linux and by us, read by the same reader."""

from __future__ import annotations

import asyncio
import socket
import struct

from netstack.tcp.block import Recovery
from podruntime.sandbox.tcp_info import tcp_info

from .pods import SERVER, TwoPods

#: struct tcp_info of include/uapi/linux/tcp.h, by offset: what both must mean alike.
FIELDS = {
    "state": (0, "B"), "ca_state": (1, "B"), "backoff": (4, "B"), "options": (5, "B"),
    "rto": (8, "I"), "snd_mss": (16, "I"), "unacked": (24, "I"), "rtt": (68, "I"),
    "rttvar": (72, "I"), "snd_ssthresh": (76, "I"), "snd_cwnd": (80, "I"),
    "last_data_sent": (44, "I"), "last_data_recv": (52, "I"), "last_ack_recv": (56, "I"),
    "pmtu": (60, "I"), "total_retrans": (100, "I"), "bytes_acked": (120, "Q"),
    "bytes_received": (128, "Q"),
    "segs_out": (136, "I"), "segs_in": (140, "I"), "notsent": (144, "I"), "min_rtt": (148, "I"),
    "bytes_sent": (200, "Q"), "bytes_retrans": (208, "Q"),
}  # fmt: skip


def read(octets: bytes) -> dict[str, int]:
    return {
        name: struct.unpack_from(f"={kind}", octets, offset)[0]
        for name, (offset, kind) in FIELDS.items()
    }


def kernels() -> dict[str, int]:
    """Send 1000 octets between two kernel sockets and return what the sender's says."""
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            client.sendall(bytes(1000))
            assert len(peer.recv(1000, socket.MSG_WAITALL)) == 1000
            peer.sendall(b"ok")
            assert client.recv(2) == b"ok"
            return read(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216))


async def far_says(reader, writer) -> None:
    await reader.readexactly(1000)
    writer.write(b"ok")
    await reader.read()
    writer.close()


def test_ours_reads_as_linuxs():
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(far_says, SERVER, 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        writer.write(bytes(1000))
        assert await reader.readexactly(2) == b"ok"
        sock = writer.get_extra_info("socket")
        ours, linuxs = read(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)), kernels()
        same = ("state", "ca_state", "backoff", "unacked", "snd_ssthresh",
                "total_retrans", "bytes_received", "notsent", "bytes_sent",
                "bytes_retrans")  # fmt: skip
        assert {name: ours[name] for name in same} == {name: linuxs[name] for name in same}
        assert ours["options"] & 7 == linuxs["options"] & 7  # ECN depends on this machine.
        assert linuxs["bytes_acked"] - ours["bytes_acked"] in (0, 1)  # Linux counts the SYN.
        (connection,) = pods.client_interface.host.tcp.connections()
        assert ours["snd_mss"] == connection.mss
        assert ours["snd_cwnd"] == 10
        assert ours["rto"] >= 200_000
        assert ours["pmtu"] == 1450
        for name in ("last_data_sent", "last_data_recv", "last_ack_recv"):
            assert ours[name] <= 5000
            assert linuxs[name] <= 5000  # Milliseconds, both.
        assert 0 < ours["min_rtt"] <= ours["rtt"] + 1
        assert ours["segs_out"] >= 3
        short = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert len(short) == 104
        writer.close()

    TwoPods().run(scenario)


def test_losses_show():
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(lambda _r, _w: None, SERVER, 80)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80)
        pods.dropping = True
        writer.write(bytes(5000))
        (connection,) = pods.client_interface.host.tcp.connections()
        async with asyncio.timeout(10):
            while connection.recovery is not Recovery.LOSS:
                await asyncio.sleep(0.05)
        ours = read(tcp_info(connection, pods.client_interface.now()))
        assert (ours["ca_state"], ours["snd_cwnd"], ours["unacked"]) == (4, 1, 4)
        assert ours["backoff"] >= 1
        assert ours["total_retrans"] >= 1
        assert ours["bytes_retrans"] > 0
        assert ours["last_data_sent"] <= ours["last_ack_recv"]
        assert ours["snd_ssthresh"] < 0x7FFFFFFF
        writer.transport.abort()

    TwoPods().run(scenario)


def test_socket_without_a_connection_is_closed():
    async def scenario(pods: TwoPods) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)[0] == 7

    TwoPods().run(scenario)
