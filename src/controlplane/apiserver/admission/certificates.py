"""Who may approve and sign requests for certificates, and for whom none may be asked.

Upstream: plugin/pkg/admission/certificates (approval, signing, subjectrestriction). Rights are
the verbs `approve` and `sign` on `signers`, by a signer's name or its domain (`example.com/*`).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation, Validating
from controlplane.apiserver.authn import MASTERS, User
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.authz.rule import quote
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import forbidden

_CLIENT: Final = "kubernetes.io/kube-apiserver-client"


def may_for_signer(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Tell whether *user* may do this for *signer*, by its name or all of its domain."""
    domain = signer.partition("/")[0]
    return any(
        authorizer.authorize(
            user,
            RequestInfo(
                verb=verb,
                path="",
                group="certificates.k8s.io",
                version="*",
                resource="signers",
                name=name,
            ),
        ).allowed
        for name in (signer, f"{domain}/*")
    )


def _signer(obj: Object | None) -> str:
    return str(((obj or {}).get("spec") or {}).get("signerName") or "")


class CertificateApproval(Validating):
    """Guards `approval`."""

    name = "CertificateApproval"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        is_request = kind.resource == CERTIFICATESIGNINGREQUESTS
        return is_request and operation is Operation.UPDATE and subresource == "approval"

    async def validate(self, attributes: Attributes) -> None:
        signer, user = _signer(attributes.old), attributes.options.user
        if not may_for_signer(self._authorizer, user, "approve", signer):
            why = f"user not permitted to approve requests with signerName {quote(signer)}"
            raise forbidden(attributes.kind.resource, attributes.name, why)


class CertificateSigning(Validating):
    """Guards what a signer writes into `status`."""

    name = "CertificateSigning"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        is_request = kind.resource == CERTIFICATESIGNINGREQUESTS
        return is_request and operation is Operation.UPDATE and subresource == "status"

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj or {}, attributes.old or {}
        after, before = (
            {
                key: (obj.get("status") or {}).get(key) or None
                for key in ("certificate", "conditions")
            }
            for obj in (new, old)
        )
        if after == before:
            return
        signer, user = _signer(old), attributes.options.user
        if not may_for_signer(self._authorizer, user, "sign", signer):
            why = f"user not permitted to sign requests with signerName {quote(signer)}"
            raise forbidden(attributes.kind.resource, attributes.name, why)


class CertificateSubjectRestriction(Mutating):
    """Lets nobody ask for a client certificate of system:masters."""

    name = "CertificateSubjectRestriction"

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        is_request = kind.resource == CERTIFICATESIGNINGREQUESTS
        return is_request and operation is Operation.CREATE and not subresource

    async def admit(self, attributes: Attributes) -> None:
        request = attributes.obj or {}
        text = (request.get("spec") or {}).get("request") or ""
        if _signer(request) == _CLIENT and MASTERS in organizations(text):
            why = f"use of {_CLIENT} signer with {MASTERS} group is not allowed"
            raise forbidden(attributes.kind.resource, attributes.name, why)


def organizations(text: str) -> list[str]:
    """Return the organizations that a signing request (PEM in base64) is for.

    One that cannot be read has none: its kind refuses it a moment later.
    """
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        request = x509.load_pem_x509_csr(base64.b64decode(text, validate=True))
        found = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    except (binascii.Error, ValueError, TypeError):
        return []
    return [str(each.value) for each in found]
