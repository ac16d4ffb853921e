"""CertificateSigningRequests: who wants a certificate, and what became of it (certificates.k8s.io).

Upstream: pkg/apis/certificates/validation, pkg/registry/certificates. Who asks is written by the
server; conditions are the approver's (`approval`), the certificate is the signer's (`status`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, Strategy
from kubeapi.objects import Object, name_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import Cause

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"


def any_name(_name: str) -> list[str]:
    """Take any name."""
    return []


def default(request: Object) -> None:
    request["spec"] = request.get("spec") or {}
    request["status"] = request.get("status") or {}


def prepare_create(request: Object) -> None:
    request["status"] = {}


def prepare_update(new: Object, old: Object) -> None:
    """Change metadata alone."""
    strategy.keep_spec(new, old)
    strategy.keep_status(new, old)


def prepare_status_update(new: Object, old: Object) -> None:
    """Change the status but for the approver's conditions."""
    strategy.keep_spec(new, old)
    decided, said = _conditions(old), _conditions(new)
    status = new["status"] = new.get("status") or {}
    status["conditions"] = [
        *(row for row in decided if row.get("type") in (APPROVED, DENIED)),
        *(row for row in said if row.get("type") not in (APPROVED, DENIED)),
    ]


def _prepare_approval(new: Object, old: Object) -> None:
    """Change conditions alone."""
    strategy.keep_spec(new, old)
    conditions = _conditions(new)
    new["status"] = {**(old.get("status") or {}), "conditions": conditions}


def _conditions(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


def validate(request: Object) -> list[Cause]:
    return metadata.validate(request, any_name)


def state(request: Object) -> str:
    """Return what became of the request, in a word or two."""
    kinds = [row.get("type") for row in _conditions(request)]
    words = ["Denied" if DENIED in kinds else "Approved" if APPROVED in kinds else "Pending"]
    if FAILED in kinds:
        words.append("Failed")
    if (request.get("status") or {}).get("certificate"):
        words.append("Issued")
    return ",".join(words)


def row(request: Object, now: float) -> Sequence[Cell]:
    spec = request.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return (
        name_of(request),
        cells.age(request, now),
        spec.get("signerName") or cells.NONE,
        spec.get("username") or "",
        cells.NONE if seconds is None else cells.human_duration(seconds),
        state(request),
    )


def fields(request: Object) -> Mapping[str, str]:
    return {"spec.signerName": (request.get("spec") or {}).get("signerName") or ""}


CERTIFICATESIGNINGREQUEST: Final = Kind(
    resource=CERTIFICATESIGNINGREQUESTS,
    singular="certificatesigningrequest",
    short_names=("csr",),
    subresources=("status",),
    strategies={"approval": Strategy(prepare=_prepare_approval, validate=metadata.validate_update)},
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=prepare_status_update,
    validate=validate,
    validate_update=metadata.validate_update,
    fields=fields,
    columns=(
        cells.NAME,
        cells.AGE,
        Column("SignerName", description="Who is to sign."),
        Column("Requestor", description="Who asks."),
        Column("RequestedDuration", description="How long the certificate is to hold."),
        Column("Condition", description="What became of the request."),
    ),
    cells=row,
)
