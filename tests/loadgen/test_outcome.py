from __future__ import annotations

import errno
import socket
import ssl

import pytest

from loadgen.http1 import BadResponse, Response
from loadgen.outcome import backend_of, error_kind, status_kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (ssl.SSLError(1, "x"), "tls"),
        (BadResponse("x"), "bad-response"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (OSError(errno.EMFILE, "x"), "too many open files (ulimit -n)"),
        (socket.gaierror(-2, "x"), "name"),
        (OSError(errno.EPERM, "Not Permitted"), "not permitted"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_have_short_names(error, kind):
    assert error_kind(error) == kind


def response(status=200, body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, body, len(body), keep_alive=True)


@pytest.mark.parametrize(
    ("status", "kind"), [(200, ""), (302, ""), (404, "http-4xx"), (503, "http-5xx")]
)
def test_statuses(status, kind):
    assert status_kind(status) == kind


@pytest.mark.parametrize(
    ("answer", "header", "backend"),
    [
        (response(body=b"web-5d4f-x1\n"), "", "web-5d4f-x1"),
        (response(body=b"web-1", x_backend="b"), "", "b"),
        (response(body=b"web-1", x_hostname="h"), "", "h"),
        (response(body=b"web-1", via="proxy"), "Via", "proxy"),
        (response(body=b"web-1"), "Via", ""),
        (response(body=b"<html>"), "", ""),
        (response(body=b"two\nlines"), "", ""),
        (response(), "", ""),
    ],
)
def test_backends(answer, header, backend):
    assert backend_of(answer, header) == backend
