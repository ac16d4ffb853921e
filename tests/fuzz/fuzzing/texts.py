"""Messages, bodies, texts and files: what other processes and people write."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from ipaddress import IPv4Interface
from typing import Any

import msgpack
import msgspec

from componentbase import rpc
from controlplane.apiserver import decoding, strict_decoding
from fuzzing.target import Target
from kubeapi.client import codec
from kubeapi.patch import json_patch, merge_patch, strategic_merge_patch
from kubeapi.quantity import QuantityError, canonical, milli, parse_quantity
from kubeapi.schema import schema_for
from kubeapi.selectors import SelectorError, parse_field_selector, parse_label_selector
from kubeapi.status import StatusError
from loadgen.http1 import BadResponse, ResponseReader
from loadgen.plan import LoadPlan
from loadgen.protocols.dns import DnsCodec
from netdev.capture_filter import match as filter_match
from netdev.capture_filter import parse as filter_parse
from netdev.capture_filter import tree as filter_tree
from netdev.capture_filter.words import FilterError
from netdev.transport_map import TransportMap
from netstack.ip_host import IpHost
from nodeagent.datapath import hostnet, tables
from nodeagent.datapath.config import Config
from podruntime.sandbox import dns
from podruntime.sandbox.resolv_conf import ResolvConf, parse_hosts

_HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
_DNS_PLAN = LoadPlan(url="dns://10.96.0.10/web.default.svc.cluster.local", rate=1, duration_s=1)


def http(octets: bytes) -> None:
    """A response in two pieces: cut anywhere, it is the same, or the same complaint."""
    if not octets:
        return
    head_only, cut = bool(octets[0] & 1), octets[0] >> 1
    whole = _response(ResponseReader(head_only=head_only), [octets[1:]])
    pieces = [octets[1 : 1 + cut], octets[1 + cut :]]
    assert _response(ResponseReader(head_only=head_only), pieces) == whole


def _response(reader: ResponseReader, pieces: list[bytes]) -> tuple[int, int] | None:
    """Return status and length of the first response, None where there is none."""
    try:
        for piece in pieces:
            if (response := reader.feed(piece)) is not None:
                return response.status, response.length
        response = reader.end()
    except BadResponse:
        return None
    return None if response is None else (response.status, response.length)


def dns_answer(octets: bytes) -> None:
    identifier = int.from_bytes(octets[:2], "big")
    for kind in (dns.A, dns.AAAA, dns.PTR, dns.CNAME):
        question = dns.Question(identifier, "web.default.svc.cluster.local", kind)
        with contextlib.suppress(dns.MalformedMessage):
            dns.parse_answer(octets, question)


def dns_name(octets: bytes) -> None:
    dns.encode_name(octets.decode("utf-8"))


def dns_load(octets: bytes) -> None:
    """An answer as the load generator reads it."""
    codec_of_dns = DnsCodec(_DNS_PLAN)
    codec_of_dns.request()
    codec_of_dns.feed(octets)


def capture_filter(octets: bytes) -> None:
    """A filter that somebody typed, and a frame for it to judge; as text it means the same."""
    text, _, frame = octets.partition(b"\n")
    wanted = filter_parse.parse(text.decode("utf-8", "replace"))
    again = filter_parse.parse(filter_tree.text(wanted))
    verdict = filter_match.compile_tree(wanted)(frame)
    assert verdict == filter_match.compile_tree(again)(frame)


def resolv_conf(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    conf = ResolvConf.parse(text)
    assert len(conf.candidates("web")) <= 1 + len(conf.searches)
    assert 0 < conf.timeout_s(0) < 100
    parse_hosts(text)


def quantity(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    parse_quantity(text)
    assert canonical(canonical(text)) == canonical(text)
    milli(text)


def label_selector(octets: bytes) -> None:
    selector = parse_label_selector(octets.decode("utf-8", "replace"))
    selector.matches({"app": "web"})
    assert str(parse_label_selector(str(selector))) == str(selector)


def field_selector(octets: bytes) -> None:
    selector = parse_field_selector(octets.decode("utf-8", "replace"))
    selector.matches(lambda field: "")
    assert str(parse_field_selector(str(selector))) == str(selector)


def body(octets: bytes) -> None:
    """A request's body in each of its forms."""
    for kind in (decoding.JSON, decoding.MSGPACK, decoding.YAML):
        with contextlib.suppress(StatusError):
            decoded = decoding.decode_object(octets, kind)
            if kind == decoding.JSON:
                strict_decoding.in_json(octets)
            elif kind == decoding.YAML:
                strict_decoding.in_yaml(octets, decoded)


def answer_body(octets: bytes) -> None:
    """A server's answer, and a watch, as clients read them."""
    for kind in (codec.JSON, codec.MSGPACK):
        with contextlib.suppress(codec.MalformedBody):
            codec.decode(octets, kind)
        with contextlib.suppress(codec.MalformedBody):
            decoder = codec.WatchDecoder(kind)
            decoder.feed(octets[: len(octets) // 2])
            decoder.feed(octets[len(octets) // 2 :])


def patch(octets: bytes) -> None:
    """The three kinds of patch, of a small object, read as the API server reads them."""
    document = decoding.decode_octets(octets, decoding.JSON)
    obj: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    schema = schema_for("v1", "Service")
    assert schema is not None
    if isinstance(document, list):
        json_patch(obj, document)
    else:
        merge_patch(obj, document)
        strategic_merge_patch(obj, document, schema)


class _Transport(asyncio.Transport):
    """Where a connection's answers go: nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def close(self) -> None:
        self._closing = True

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    resume_reading = write_eof = pause_reading


async def _serve(octets: bytes) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    writer = asyncio.StreamWriter(_Transport(), protocol, reader, loop)

    async def echo(_connection: rpc.Connection, params: rpc.Params) -> object:
        return params

    connection = rpc.Connection(reader, writer, handlers={"echo": echo}, on_tell=lambda *_: None)
    asking = asyncio.ensure_future(connection.call("ask", timeout_s=1))  # noqa: TID251
    await asyncio.sleep(0)
    reader.feed_data(octets)
    reader.feed_eof()
    try:
        await connection.run()
    finally:
        await connection.close()
        await asyncio.gather(asking, return_exceptions=True)


def rpc_messages(octets: bytes) -> None:
    asyncio.run(_serve(octets))


async def _hostnet(octets: bytes) -> None:
    stack = IpHost(address=IPv4Interface("10.0.0.1/24"), mtu=1450, rng=random.Random(1))
    connector = hostnet._Connector(lambda _remote: stack, lambda: 1000.0, lambda: None)
    connector.connection_made(_Transport())
    for at in range(0, len(octets), 700):
        connector.data_received(octets[at : at + 700])
    connector.eof_received()
    connector.connection_lost(None)
    assert not stack.tcp.context.connections


def hostnet_line(octets: bytes) -> None:
    asyncio.run(_hostnet(octets))


def tables_of_netlink(octets: bytes) -> None:
    """Entries of tables, as netlink converts what msgpack decoded."""
    try:
        value = msgpack.unpackb(octets, strict_map_key=False)
    except (TypeError, *_MALFORMED):
        return  # RPC's matter.
    for kind in (tables.Link, tables.Route, tables.Frontend, tables.Vtep, tables.Impairment):
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(value, list[kind])  # type: ignore[valid-type]


def datapath_config(octets: bytes) -> None:
    config = msgspec.json.decode(octets, type=Config)
    TransportMap(config.transport_map)
    assert config.internal_address is not None


_ANSWER = (
    struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    + dns.Question(7, "web.default.svc.cluster.local").encode()[12:]
    + b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\x60\0\x0a"
)
_POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"n": [1, None]}}
_PATCH = [{"op": "add", "path": "/spec/ports/-", "value": {"port": 1}},
          {"op": "move", "from": "/metadata/name", "path": "/x"}]  # fmt: skip
_CONFIG = {"node_name": "node-1", "internal_ip": "192.168.64.1", "directory": "/tmp",
           "transport_map": {"192.168.64.0/24": "127.0.1.0/24"},
           "host_address": "192.168.64.254"}  # fmt: skip
_ROUTE = [{"destination": "10.244.2.0/24", "device": "flannel.1", "via": "10.244.2.0"}]
_MALFORMED = (ValueError, msgpack.UnpackException)

TARGETS = {
    "http": Target(http, ("loadgen",), [b"\0" + _HTTP, b"\x30" + _CHUNKED, b"\1" + _HTTP]),
    "dns-answer": Target(dns_answer, ("podruntime.sandbox",), [_ANSWER]),
    "dns-name": Target(dns_name, ("podruntime.sandbox",), [b"web.default.svc", b"\xc3\xbc.de"],
                       (ValueError,)),
    "dns-load": Target(dns_load, ("loadgen",), [b"\x00\x01" + _ANSWER[2:]], (BadResponse,)),
    "capture-filter": Target(capture_filter, ("netdev.capture_filter",), [
        b"tcp port 80 or 443 and not host 10.0.0.1\n" + bytes(12) + b"\x08\0\x45" + bytes(60),
        b"vxlan and (udp[0:2] & 0xff == 53 or len > 100)\n" + bytes(60),
        b"ip6 net fd00::/8 && portrange 1-1024 || syn\n"], (FilterError,)),
    "resolv-conf": Target(resolv_conf, ("podruntime.sandbox",), [
        b"nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local\n"
        b"options ndots:5 timeout:1 attempts:2\n10.0.0.1 a b # c\n"
    ]),
    "quantity": Target(quantity, ("kubeapi",), [b"100m", b"1.5Gi", b"12e6", b"-0.5k"],
                       (QuantityError,)),
    "label-selector": Target(label_selector, ("kubeapi",), [
        b"app=web,tier in (a, b),!old,x notin (y),n > 3", b"a==b", b"a!=b"], (SelectorError,)),
    "field-selector": Target(field_selector, ("kubeapi",), [
        b"metadata.name=web,status.phase!=Running", b"spec.nodeName=a\\,b"], (SelectorError,)),
    "body": Target(body, ("controlplane.apiserver.decoding", "kubeapi"), [
        msgspec.json.encode(_POD), msgspec.msgpack.encode(_POD),
        b"apiVersion: v1\nkind: Pod\nmetadata: &m {name: web}\nspec: [*m, 0x1F, 1:30]\n"]),
    "answer-body": Target(answer_body, ("kubeapi",), [
        msgspec.json.encode({"type": "ADDED", "object": _POD}) + b"\n",
        msgspec.msgpack.encode({"type": "ADDED", "object": _POD})]),
    "patch": Target(patch, ("kubeapi",), [msgspec.json.encode(_PATCH),
                                           msgspec.json.encode({"spec": {"ports": None}})],
                    (StatusError,)),
    "rpc": Target(rpc_messages, ("componentbase",), [
        msgpack.packb([0, 1, "echo", {"a": 1}]), msgpack.packb([1, 1, None, 5]),
        msgpack.packb([1, 1, ["NotFound", "x"], None]), msgpack.packb([2, "told", {}])]),
    "hostnet": Target(hostnet_line, ("nodeagent.datapath",), [
        b'{"connect": ["10.0.0.2", 80], "timeout_s": 1}\nGET / HTTP/1.0\r\n\r\n',
        b'{"connect": ["10.0.0.1", 80]}\n']),
    "netlink": Target(tables_of_netlink, ("nodeagent.datapath",), [msgpack.packb(_ROUTE)]),
    "config": Target(datapath_config, ("nodeagent.datapath", "netdev"),
                     [msgspec.json.encode(_CONFIG)], (ValueError, msgspec.MsgspecError)),
}  # fmt: skip
