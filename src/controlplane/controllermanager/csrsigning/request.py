"""What a signing request asks for, and whether Kubernetes' own signers may sign it.

Upstream: pkg/apis/certificates/helpers.go, signer.go. `cryptography.x509` is loaded when the first
request comes: most clusters never see one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubeapi.objects import Object

if TYPE_CHECKING:
    from cryptography import x509

CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
SIGNERS: Final = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING)

_NODES: Final = ("system:nodes",)
_NODE: Final = "system:node:"
_SIGNATURE, _ENCIPHERMENT = "digital signature", "key encipherment"
_CLIENT_AUTH, _SERVER_AUTH = "client auth", "server auth"


class BadRequest(ValueError):
    """A request that its signer does not sign; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A signing request, read."""

    request: x509.CertificateSigningRequest
    common_name: str
    organizations: tuple[str, ...]
    #: Subject alternative names, by kind: "dns", "ip", "email", "uri".
    names: tuple[tuple[str, str], ...]


def read(obj: Object) -> Asked:
    """Read the request in a CertificateSigningRequest; raises BadRequest."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    kinds: dict[type, str]
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip", x509.RFC822Name: "email"}
    try:
        octets = base64.b64decode((obj.get("spec") or {}).get("request") or "", validate=True)
        request = x509.load_pem_x509_csr(octets)
        found = request.extensions
        subject = request.subject
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadRequest(f"unable to parse csr: {error}") from None
    names: list[tuple[str, str]] = []
    try:
        alternative = found.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [(kinds.get(type(name), "uri"), str(name.value)) for name in alternative]
    except x509.ExtensionNotFound:
        pass  # It names nobody else.
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Asked(
        request,
        str(common[-1].value) if common else "",
        tuple(str(group.value) for group in groups),
        tuple(names),
    )


def check(signer: str, asked: Asked, usages: Sequence[str]) -> None:
    """Raise BadRequest for what *signer* does not sign."""
    if signer == CLIENT:
        _check_client_usages(usages)
    elif signer == KUBELET_CLIENT:
        check_kubelet_client(asked, usages)
    else:
        _check_kubelet_serving(asked, usages)


def _check_client_usages(usages: Sequence[str]) -> None:
    allowed = (_SIGNATURE, _ENCIPHERMENT, _CLIENT_AUTH)
    if _CLIENT_AUTH not in usages or not all(usage in allowed for usage in usages):
        raise BadRequest(
            'invalid usages for client certificate: must include "client auth" and allow only '
            '"digital signature" and "key encipherment" besides'
        )


def check_kubelet_client(asked: Asked, usages: Sequence[str]) -> None:
    """Raise BadRequest unless this is how a kubelet asks (ValidateKubeletClientCSR)."""
    if asked.organizations != _NODES:
        raise BadRequest("subject organization is not system:nodes")
    for kind, words in (("dns", "DNS"), ("email", "email"), ("ip", "IP"), ("uri", "URI")):
        if any(each == kind for each, _ in asked.names):
            raise BadRequest(f"{words} subjectAltNames are not allowed")
    _check_node_name(asked)
    _check_usages(usages, _CLIENT_AUTH)


def _check_kubelet_serving(asked: Asked, usages: Sequence[str]) -> None:
    if asked.organizations != _NODES:
        raise BadRequest("subject organization is not system:nodes")
    kinds = [kind for kind, _ in asked.names]
    if "dns" not in kinds and "ip" not in kinds:
        raise BadRequest("at least one DNS or IP subjectAltName is required")
    for kind, words in (("email", "email"), ("uri", "URI")):
        if kind in kinds:
            raise BadRequest(f"{words} subjectAltNames are not allowed")
    _check_node_name(asked)
    _check_usages(usages, _SERVER_AUTH)


def _check_node_name(asked: Asked) -> None:
    if not asked.common_name.startswith(_NODE):
        raise BadRequest("subject common name does not begin with system:node:")


def _check_usages(usages: Sequence[str], purpose: str) -> None:
    """Allow the purpose and a signature, and the encipherment that RSA keys need."""
    needed = sorted((_SIGNATURE, purpose))
    if sorted(each for each in usages if each != _ENCIPHERMENT) != needed:
        raise BadRequest("usages did not match [digital signature, " + purpose + "]")
