"""A server's TLS that hears out who shows a certificate that is not believed.

Upstream's servers ask for a client certificate and finish the handshake whatever they are shown
(Go: tls.RequestClientCert); who shows one of another authority, or one that has expired, is
answered 401, and one who also shows a good token is let in by that. Python's `ssl` either asks for
no certificate or breaks the handshake off. So OpenSSL gets a callback that notes what is wrong and
lets the handshake go on; `ssl` has no word for it, and the context's SSL_CTX is found where CPython
keeps it. With another interpreter, or an OpenSSL linked into it, the handshake breaks off as ever.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import ssl
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, overload

#: From these versions on, CPython's SSLContext begins with its SSL_CTX, as far as is known.
_KNOWN: Final = range(11, 15)
_VERIFY_PEER: Final = 1
_GO_ON: Final = 1
#: int (*)(int preverify_ok, X509_STORE_CTX *)
_VerifyCallback: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
#: What `getpeercert` has instead of a subject when the certificate is not believed.
_REFUSED: Final = "podwireRefused"


class NotBelieved(Exception):
    """A certificate of another authority, an expired one, or one that is not for clients."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client has shown: the names in its certificate; none when it showed nothing."""

    subject: tuple[tuple[str, str], ...] = ()
    ends_at: float = float("inf")  # Seconds since the Unix epoch.
    refusal: str = ""

    def names(self, now: float) -> tuple[tuple[str, str], ...]:
        """Return the subject's pairs at *now*, Unix seconds; raises NotBelieved."""
        if self.refusal:
            raise NotBelieved(self.refusal)
        if now > self.ends_at:  # A connection may outlive what it began with.
            raise NotBelieved("certificate has expired")
        return self.subject


_NOTHING: Final = Shown()


def shown_on(transport: asyncio.BaseTransport | None) -> Shown:
    """Return what the client at the other end of *transport* has shown."""
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return _NOTHING
    if _REFUSED in certificate:
        return Shown(refusal=certificate[_REFUSED])
    subject: Iterable[Iterable[tuple[str, str]]] = certificate.get("subject") or ()
    pairs = tuple((str(key), str(value)) for part in subject for key, value in part)
    return Shown(pairs, _seconds(certificate["notAfter"]))


@functools.lru_cache(maxsize=1024)
def _seconds(moment: str) -> float:
    return ssl.cert_time_to_seconds(moment)


class _Handshake(ssl.SSLObject):
    """The server's side of one connection; knows what OpenSSL did not believe."""

    _refusal = ""

    def do_handshake(self) -> None:
        context = self.context
        assert isinstance(context, _HearingContext)
        context.refusal = ""
        try:
            super().do_handshake()  # Calls back, in this thread, before it returns.
        finally:
            self._refusal = self._refusal or context.refusal

    @overload
    def getpeercert(self, binary_form: Literal[False] = False) -> dict[str, Any] | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...
    @overload
    def getpeercert(self, binary_form: bool) -> Any: ...
    def getpeercert(self, binary_form: bool = False) -> Any:
        if self._refusal and not binary_form:
            return {_REFUSED: self._refusal}
        return super().getpeercert(binary_form)


class _HearingContext(ssl.SSLContext):
    """A context whose handshakes go on; `refusal` is the last one's first fault."""

    refusal = ""
    #: OpenSSL calls it as long as the context lives.
    verify_callback: Callable[..., int]

    def wrap_socket(self, *_args: Any, **_named: Any) -> ssl.SSLSocket:
        raise TypeError("a socket of its own would believe every certificate")


@functools.cache
def _openssl() -> ctypes.CDLL | None:
    """Return the OpenSSL that `ssl` uses; None when it is not to be had."""
    import _ssl

    known = sys.implementation.name == "cpython" and sys.version_info[:2] in [
        (3, minor) for minor in _KNOWN
    ]
    file = getattr(_ssl, "__file__", None)
    # Not by sysconfig: all that it has to tell stays in memory, 1.4 MB of each process.
    if not known or not file or "t" in sys.abiflags:
        return None
    try:
        library = ctypes.CDLL(file)
        library.SSL_CTX_get_verify_mode.argtypes = [ctypes.c_void_p]
        library.SSL_CTX_set_verify.argtypes = [ctypes.c_void_p, ctypes.c_int, _VerifyCallback]
        library.SSL_CTX_set_verify.restype = None
        library.X509_STORE_CTX_get_error.argtypes = [ctypes.c_void_p]
        library.X509_verify_cert_error_string.argtypes = [ctypes.c_long]
        library.X509_verify_cert_error_string.restype = ctypes.c_char_p
    except (OSError, AttributeError):
        return None
    return library


def hears_out() -> bool:
    """Tell whether handshakes go on here with certificates that are not believed."""
    return _openssl() is not None


def _go_on(context: _HearingContext, library: ctypes.CDLL) -> None:
    """Let the handshakes of *context* go on, whatever certificate is shown."""
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    if library.SSL_CTX_get_verify_mode(pointer) != _VERIFY_PEER:
        return  # This is not what we took it for.

    def verify(is_well: int, store: int) -> int:
        if not is_well and not context.refusal:
            error = library.X509_STORE_CTX_get_error(store)
            context.refusal = library.X509_verify_cert_error_string(error).decode()
        return _GO_ON

    context.verify_callback = _VerifyCallback(verify)
    context.sslobject_class = _Handshake
    library.SSL_CTX_set_verify(pointer, _VERIFY_PEER, context.verify_callback)


def server_context(certificate: str, private_key: str, client_ca: str) -> ssl.SSLContext:
    """Return a server's TLS; clients may show certificates, and `client_ca` is whose count."""
    context = _HearingContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION
    context.load_verify_locations(client_ca)
    context.load_cert_chain(certificate, private_key)
    context.set_alpn_protocols(["http/1.1"])
    # Nobody resumes a session, and two tickets keep 9 KB in each connection of each client.
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL
    library = _openssl()
    if library is not None:
        _go_on(context, library)
    return context
