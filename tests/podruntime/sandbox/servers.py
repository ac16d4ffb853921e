"""Small servers of the protocols that the tested clients speak, and a client of HTTP/2.

They do what a client needs to connect and to ask a few things, and no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import struct

import h2.connection
import h2.events

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


# --- RESP (redis)


async def resp(reader: Reader, writer: Writer) -> None:
    """Serve GET, SET, INCRBY, PING and what a client says first; values live as long as it."""
    try:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            writer.write(_resp_answer(words))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


_VALUES: dict[bytes, bytes] = {}


def _resp_answer(words: list[bytes]) -> bytes:
    match [words[0].upper(), *words[1:]]:
        case [b"PING"]:
            return b"+PONG\r\n"
        case [b"SET", key, value]:
            _VALUES[key] = value
            return b"+OK\r\n"
        case [b"GET", key]:
            value = _VALUES.get(key)
            return b"_\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        case [b"INCRBY", key, number]:
            if key == b"count" and number == b"0":
                _VALUES.pop(key, None)
            _VALUES[key] = b"%d" % (int(_VALUES.get(key, b"0")) + int(number))
            return b":%s\r\n" % _VALUES[key]
        case [b"HELLO", *_]:
            return b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"
        case [b"CLIENT", *_] | [b"SELECT", _]:
            return b"+OK\r\n"
    return b"-ERR unknown command\r\n"


# --- PostgreSQL

_SSL_REQUEST, _PROTOCOL_3 = 80877103, 196608
_TEXT_OID = 25


def postgres(context: ssl.SSLContext):
    """Return a handler that lets lab:secret in and answers each query with its own text."""

    async def handle(reader: Reader, writer: Writer) -> None:
        try:
            await _Session(reader, writer).run(context)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return handle


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _error(code: str, text: str) -> bytes:
    fields = f"SERROR\0VERROR\0C{code}\0M{text}\0\0"
    return _message(b"E", fields.encode())


_READY = _message(b"Z", b"I")


class _Session:
    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader, self._writer = reader, writer
        self._query, self._arguments = "", 0
        self._values: list[bytes] = []

    async def run(self, context: ssl.SSLContext) -> None:
        while True:
            (size,) = struct.unpack("!I", await self._reader.readexactly(4))
            body = await self._reader.readexactly(size - 4)
            (code,) = struct.unpack_from("!I", body)
            if code != _SSL_REQUEST:
                break
            self._writer.write(b"S")
            await self._writer.drain()
            await self._writer.start_tls(context)
        assert code == _PROTOCOL_3
        if await self._authenticated():
            await self._answer()

    async def _authenticated(self) -> bool:
        salt = b"salt"
        self._writer.write(_message(b"R", struct.pack("!I", 5) + salt))
        _, body = await self._next()
        inner = hashlib.md5(b"secret" + b"lab").hexdigest().encode()
        if body.rstrip(b"\0") != b"md5" + hashlib.md5(inner + salt).hexdigest().encode():
            self._writer.write(_error("28P01", "password authentication failed"))
            await self._writer.drain()
            return False
        self._writer.write(_message(b"R", struct.pack("!I", 0)))
        for name, value in (("server_version", "16.1"), ("client_encoding", "UTF8")):
            self._writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        self._writer.write(_message(b"K", bytes(8)) + _READY)
        return True

    async def _next(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!cI", await self._reader.readexactly(5))
        return kind, await self._reader.readexactly(size - 4)

    async def _answer(self) -> None:
        failed = False
        while True:
            kind, body = await self._next()
            if kind == b"X":
                return
            if kind == b"S":
                failed = False
                self._writer.write(_READY)
            elif failed:
                continue  # Until the next Sync.
            elif kind == b"P" and b"FAIL" in body:
                failed = True
                self._writer.write(_error("42601", "no such thing"))
            else:
                self._writer.write(self._one(kind, body))
            await self._writer.drain()

    def _one(self, kind: bytes, body: bytes) -> bytes:
        if kind == b"Q":
            text = body.rstrip(b"\0")
            return self._row([text]) + _message(b"C", b"SELECT 1\0") + _READY
        if kind == b"P":
            self._query = body.split(b"\0")[1].decode()
            self._arguments = self._query.count("$")
            return _message(b"1")
        if kind == b"D":
            return _message(b"t", self._oids()) + self._columns()
        if kind == b"B":
            self._values = self._bound(body)
            return _message(b"2")
        if kind == b"E":
            row = self._values or [self._query.encode()]
            return self._data(row) + _message(b"C", b"SELECT 1\0")
        return _message(b"3") if kind == b"C" else b""

    def _oids(self) -> bytes:
        return struct.pack("!H", self._arguments) + struct.pack("!I", _TEXT_OID) * self._arguments

    def _columns(self) -> bytes:
        column = b"it\0" + struct.pack("!IHIhih", 0, 0, _TEXT_OID, -1, -1, 0)
        return _message(b"T", struct.pack("!H", 1) + column)

    def _data(self, row: list[bytes]) -> bytes:
        values = b"".join(struct.pack("!i", len(each)) + each for each in row)
        return _message(b"D", struct.pack("!H", len(row)) + values)

    def _row(self, row: list[bytes]) -> bytes:
        return self._columns() + self._data(row)

    def _bound(self, body: bytes) -> list[bytes]:
        at = body.index(b"\0", body.index(b"\0") + 1) + 1  # Portal and statement.
        (formats,) = struct.unpack_from("!H", body, at)
        at += 2 + 2 * formats
        (count,) = struct.unpack_from("!H", body, at)
        at += 2
        values = []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", body, at)
            values.append(body[at + 4 : at + 4 + size])
            at += 4 + size
        return values


# --- DNS


class NameServer:
    """A name server of A records at UDP and TCP port 53; long answers are cut off in UDP."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self._records = records
        #: "udp" and "tcp", and each name, as they were asked.
        self.asked_by: set[str] = set()
        self.asked: list[tuple[str, int]] = []
        #: Does not know EDNS (RFC 6891 §7): such questions are malformed.
        self.is_old = False
        self._open: list[asyncio.Server | asyncio.DatagramTransport] = []

    @classmethod
    async def start(cls, records: dict[str, list[str]]) -> NameServer:
        made = cls(records)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _UdpNames(made), local_addr=("0.0.0.0", 53)
        )
        made._open = [transport, await asyncio.start_server(made._by_tcp, "0.0.0.0", 53)]
        return made

    def close(self) -> None:
        for each in self._open:
            each.close()

    async def _by_tcp(self, reader: Reader, writer: Writer) -> None:
        self.asked_by.add("tcp")
        while head := await reader.read(2):
            message = await reader.readexactly(int.from_bytes(head, "big"))
            answer = self.answer(message)
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    def answer(self, message: bytes, octets_max: int = 65535) -> bytes:
        """Return the answer to *message*, its records left out when it would be too long."""
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rrset

        query = dns.message.from_wire(message)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, int(question.rdtype)))
        answer = dns.message.make_response(query, recursion_available=True)
        if query.edns >= 0 and self.is_old:
            answer.use_edns(-1)
            answer.set_rcode(dns.rcode.FORMERR)
            return answer.to_wire()
        octets_max = max(octets_max, query.payload)
        if name not in self._records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        for text in self._records.get(name, ()):
            kind, _, value = text.partition(" ")
            kind, value = (kind, value) if value else ("AAAA" if ":" in text else "A", text)
            owner = question.name
            if kind in (question.rdtype.name, "CNAME"):
                answer.answer.append(dns.rrset.from_text(owner, 5, "IN", kind, value))
        wire = answer.to_wire(max_size=65535)
        if len(wire) <= octets_max:
            return wire
        answer.answer.clear()
        answer.flags |= dns.flags.TC
        return answer.to_wire()


class _UdpNames(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data, addr) -> None:
        self._server.asked_by.add("udp")
        self._transport.sendto(self._server.answer(data, 512), addr)


# --- HTTP/2


class HttpTwo(asyncio.Protocol):
    """A client of HTTP/2 that can GET."""

    def __init__(self) -> None:
        self._h2 = h2.connection.H2Connection()
        self._bodies: dict[int, bytes] = {}
        self._ended: dict[int, asyncio.Future[bytes]] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self.transport = transport
        self._h2.initiate_connection()
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self._bodies[event.stream_id] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                ended = self._ended[event.stream_id]
                ended.set_result(self._bodies[event.stream_id])
        self.transport.write(self._h2.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)

    async def get(self, path: str) -> bytes:
        """Return the body of *path*."""
        stream = self._h2.get_next_available_stream_id()
        self._bodies[stream] = b""
        self._ended[stream] = asyncio.get_running_loop().create_future()
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "web")]
        self._h2.send_headers(stream, headers, end_stream=True)
        self.transport.write(self._h2.data_to_send())
        return await self._ended[stream]
