"""When the certificates of a cluster end, and new ones for them (kubeadm certs).

A new certificate has a key of its own and says what the old one said, under the authority that
signed that. Authorities themselves are not renewed: everything would have to be made anew.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from kubeapi.client.kubeconfig import KubeconfigError, read_kubeconfig
from podwire.cluster import etcd, pki
from podwire.cluster.layout import Layout, UsageError
from podwire.cluster.pki import Authority, KeyPair

_AUTHORITIES = ("ca", etcd.CA)


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate of the cluster: in a file of its own, or in a kubeconfig."""

    name: str
    file: Path
    certificate: x509.Certificate
    authority: str  # "" for an authority, and for what none of ours has signed.
    pem: str
    key_pem: str = ""  # In a kubeconfig, the key stands beside it.

    @property
    def is_authority(self) -> bool:
        return self.name in _AUTHORITIES

    def left_s(self, now: datetime) -> float:
        """Return how long it still holds; less than 0 when it has ended."""
        return (self.certificate.not_valid_after_utc - now).total_seconds()


def found(paths: Layout) -> list[Found]:
    """Return every certificate by name, authorities last; raises UsageError for a damaged one."""
    authorities = {
        name: _load(paths.certificate(name), paths.certificate(name).read_text())
        for name in _AUTHORITIES
        if paths.certificate(name).exists()
    }
    rest = [each for each in _all(paths, authorities) if not each.is_authority]
    of_ours = [
        Found(name, paths.certificate(name), certificate, "", "")
        for name, certificate in authorities.items()
    ]
    return [*sorted(rest, key=lambda each: each.name), *of_ours]


def _all(paths: Layout, authorities: dict[str, x509.Certificate]) -> Iterator[Found]:
    for file in (paths.directory / "pki").glob("*.crt"):
        pem = file.read_text()
        certificate = _load(file, pem)
        yield Found(file.stem, file, certificate, _signer(certificate, authorities), pem)
    configs = [paths.kubeconfig, *(paths.directory / "kubeconfigs").glob("*")]
    for file in filter(Path.is_file, configs):
        try:
            config = read_kubeconfig(file)
        except KubeconfigError as error:
            raise UsageError(str(error)) from None
        if config.certificate_pem:
            certificate = _load(file, config.certificate_pem)
            name = "admin.conf" if file == paths.kubeconfig else f"{file.name}.conf"
            signer = _signer(certificate, authorities)
            yield Found(name, file, certificate, signer, config.certificate_pem, config.key_pem)


def _load(file: Path, pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise UsageError(f"{file} holds no certificate: {error}") from None


def _signer(certificate: x509.Certificate, authorities: dict[str, x509.Certificate]) -> str:
    for name, authority in authorities.items():
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return name
    return ""


def renew(paths: Layout, each: Found, now: datetime) -> None:
    """Put a new certificate in the place of *each*; raises UsageError when nobody can sign it."""
    if each.is_authority or not each.authority:
        what = "is an authority" if each.is_authority else "was not signed by the cluster's own"
        raise UsageError(f"{each.name} {what}: it is not renewed")
    certificate, key = paths.certificate(each.authority), paths.private_key(each.authority)
    try:
        authority = Authority.load(certificate.read_bytes(), key.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{each.authority} cannot sign: {error}") from None
    pair = authority.renew(each.certificate, now)
    if each.key_pem:
        _into_kubeconfig(each, pair)
    else:
        pki.write_pair(pair, each.file, each.file.with_suffix(".key"))


def _into_kubeconfig(each: Found, pair: KeyPair) -> None:
    text = each.file.read_text()
    for old, new in ((each.pem, pair.certificate), (each.key_pem, pair.private_key)):
        known = base64.b64encode(old.encode()).decode()
        if known not in text:
            raise UsageError(f"{each.file}: its certificate is in another file; renew that")
        text = text.replace(known, base64.b64encode(new).decode())
    pki.write_private(each.file, text.encode())
