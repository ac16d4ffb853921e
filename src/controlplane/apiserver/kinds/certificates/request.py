"""CertificateSigningRequests: who wants a certificate, and what became of it.

Who asks is written by the server; conditions are the approver's (`approval`), the certificate is
the signer's (`status`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.authn import User
from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.certificates import conditions, pem
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, Strategy
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import Cause

_USAGES: Final = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_LEGACY: Final = "kubernetes.io/legacy-unknown"
_DURATION_MIN_S: Final = 600
_DOMAIN_MAX: Final = 253
_SIGNER_MAX: Final = 571
_SHAPE: Final = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_WHO: Final = ("username", "uid", "groups", "extra")


def any_name(_name: str) -> list[str]:
    """Take any name."""
    return []


def default(request: Object) -> None:
    request["spec"] = request.get("spec") or {}
    request["status"] = request.get("status") or {}


def prepare_create(request: Object) -> None:
    request["status"] = {}


def sign(request: Object, user: User) -> None:
    """Write down who asks, whatever the request says."""
    spec = {key: value for key, value in request["spec"].items() if key not in _WHO}
    extra: dict[str, list[str]] = {}
    for name, value in user.extra:
        extra.setdefault(name, []).append(value)
    who = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    request["spec"] = {**spec, **{key: value for key, value in who.items() if value}}


def prepare_update(new: Object, old: Object) -> None:
    """Change metadata alone."""
    strategy.keep_spec(new, old)
    strategy.keep_status(new, old)


def _prepare_status(new: Object, old: Object) -> None:
    """Change the status but for the approver's conditions."""
    strategy.keep_spec(new, old)
    status = new["status"] = new.get("status") or {}
    if kept := conditions.keep_decisions(new, old):
        status["conditions"] = kept
        conditions.date(kept)


def _prepare_approval(new: Object, old: Object) -> None:
    """Change conditions alone."""
    strategy.keep_spec(new, old)
    rows = conditions.conditions_of(new)
    conditions.date(rows)
    new["status"] = {**(old.get("status") or {}), "conditions": rows}


def validate(request: Object) -> list[Cause]:
    return [
        *metadata.validate(request, any_name),
        *_validate_spec(request["spec"]),
        *conditions.validate(request),
        *_validate_certificate((request.get("status") or {}).get("certificate") or ""),
    ]


def _validate_spec(spec: Object) -> Iterator[Cause]:
    text, usages = spec.get("request") or "", spec.get("usages") or []
    try:
        pem.check_request(text)
    except pem.BadPem as error:
        yield field.invalid("spec.request", text, str(error))
    if not usages:
        yield field.required("spec.usages", "usages must be provided")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield field.not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            yield field.duplicate(f"spec.usages[{index}]", usage)
    yield from _validate_signer(spec.get("signerName") or "", "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _DURATION_MIN_S:
        detail = f"may not specify a duration less than {_DURATION_MIN_S} seconds (10 minutes)"
        yield field.invalid("spec.expirationSeconds", seconds, detail)


def _validate_signer(signer: str, path: str) -> Iterator[Cause]:
    if not signer:
        yield field.required(path, "signerName must be provided")
        return
    if signer == _LEGACY:
        detail = "the legacy signerName is not allowed via this API version"
        yield field.invalid(path, signer, detail)
        return
    domain, slash, name = signer.partition("/")
    if not slash or "/" in name:
        yield field.invalid(path, signer, _SHAPE)
        return
    if len(domain) > _DOMAIN_MAX:
        yield field.too_long(path, _DOMAIN_MAX)
    yield from _validate_parts(domain, validation.dns1123_label, path)
    if "." not in domain:
        detail = "should be a domain with at least two segments separated by dots"
        yield field.invalid(path, domain, detail)
    yield from _validate_parts(name, validation.dns1123_subdomain, path)
    if len(signer) > _SIGNER_MAX:
        yield field.too_long(path, _SIGNER_MAX)


def _validate_parts(text: str, rule: metadata.NameRule, path: str) -> Iterator[Cause]:
    """Judge what stands between the dots; the first wrong one is told."""
    for label in text.split("."):
        if wrong := rule(label):
            for message in wrong:
                yield field.invalid(path, text, f'validating label "{label}": {message}')
            return


def _validate_certificate(text: str) -> Iterator[Cause]:
    try:
        if text:
            pem.check_certificates(text)
    except pem.BadPem as error:
        yield field.invalid("status.certificate", "<certificate data>", str(error))


def _validate_status_update(new: Object, old: Object) -> list[Cause]:
    after, before = ((obj.get("status") or {}).get("certificate") for obj in (new, old))
    causes = [
        *metadata.validate_update(new, old),
        *conditions.validate_kept(new, old),
        *conditions.validate_no_decision(new, old),
    ]
    if before and after != before:
        detail = "updates may not modify existing certificate content"
        causes.append(field.forbidden("status.certificate", detail))
    return causes


def _validate_approval(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *conditions.validate_kept(new, old)]


def state(request: Object) -> str:
    """Return what became of the request, in a word or two."""
    denied, approved, failed = (
        bool(conditions.of_kind(request, kind))
        for kind in (conditions.DENIED, conditions.APPROVED, conditions.FAILED)
    )
    words = ["Denied" if denied else "Approved" if approved else "Pending"]
    if failed:
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
    strategies={
        "approval": Strategy(prepare=_prepare_approval, validate=_validate_approval),
        "status": Strategy(prepare=_prepare_status, validate=_validate_status_update),
    },
    default=default,
    prepare_create=prepare_create,
    sign=sign,
    prepare_update=prepare_update,
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
