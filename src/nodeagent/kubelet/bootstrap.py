"""How a node that joins gets its credentials (upstream: kubelet/certificate/bootstrap).

With a bootstrap token the node asks for a client certificate of its own name and group; the
controller manager approves and signs it, and from then on the node's kubeconfig has it. The
private key never leaves the node. Upstream's kubelet keeps the key of a request that was not
answered yet; here an agent that is started again asks anew.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubeapi.client import RestClient, Unreachable
from kubeapi.client.kubeconfig import read_kubeconfig, write_kubeconfig
from kubeapi.objects import Object
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import StatusError, is_already_exists
from nodeagent.config import NodeAgentConfig

log = logging.getLogger(__name__)

_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
_USAGES: Final = ("digital signature", "client auth")
#: How long the certificate is waited for, and how often is looked.
_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.2
CLUSTER_NAME: Final = "default-cluster"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A private key, and the request for its certificate, both PEM."""

    key: bytes
    request: bytes


def wanted(node_name: str) -> Wanted:
    """Make a key, and ask for a certificate of the node *node_name*."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node_name}"),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    request = builder.sign(key, hashes.SHA256())
    octets = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Wanted(octets, request.public_bytes(serialization.Encoding.PEM))


def signing_request(asked: Wanted, usages: Sequence[str] = _USAGES) -> Object:
    """Return the CertificateSigningRequest; its name says of which key it is."""
    digest = hashlib.sha256(asked.request).hexdigest()
    return {
        "apiVersion": CERTIFICATESIGNINGREQUESTS.api_version,
        "kind": CERTIFICATESIGNINGREQUESTS.kind,
        "metadata": {"name": f"node-csr-{digest[:43]}"},
        "spec": {
            "request": base64.b64encode(asked.request).decode(),
            "signerName": _SIGNER,
            "usages": [*usages],
        },
    }


def certificate_of(request: Object) -> str:
    """Return the certificate, "" while there is none; raises OSError when there will be none."""
    status = request.get("status") or {}
    for each in status.get("conditions") or ():
        if each.get("type") in ("Denied", "Failed"):
            name, why = request["metadata"]["name"], each.get("message") or each.get("reason")
            raise OSError(f"certificate signing request {name} was {each['type'].lower()}: {why}")
    return base64.b64decode(status.get("certificate") or "").decode()


async def join(config: NodeAgentConfig) -> None:
    """Write the node's kubeconfig, with a certificate; raises OSError when it gets none."""
    path = Path(config.bootstrap_kubeconfig)
    client = RestClient.from_kubeconfig(
        path, user_agent=f"kubelet/{config.node_name}", source=config.dial_source
    )
    asked = wanted(config.node_name)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            certificate = await certificate_for(client, signing_request(asked))
    except TimeoutError:
        raise OSError(
            f"no certificate came within {_PATIENCE_S:g} s: does the controller manager run?"
        ) from None
    finally:
        await client.close()
    shown = read_kubeconfig(path)
    write_kubeconfig(
        Path(config.kubeconfig),
        server=shown.server,
        ca_pem=shown.ca_pem,
        certificate_pem=certificate,
        key_pem=asked.key.decode(),
        cluster_name=CLUSTER_NAME,
        user_name=f"system:node:{config.node_name}",
    )
    log.info("%s has joined: its certificate is signed", config.node_name)


async def certificate_for(client: RestClient, request: Object) -> str:
    """Create *request* and return the certificate; raises OSError."""
    name, is_made = request["metadata"]["name"], False
    while True:
        try:
            if not is_made:
                await client.create(CERTIFICATESIGNINGREQUESTS, request)
                is_made = True
            found = await client.get(CERTIFICATESIGNINGREQUESTS, name)
            if certificate := certificate_of(found):
                return certificate
        except Unreachable as error:
            log.warning("the API server does not answer yet: %s", error)
        except StatusError as error:
            if is_already_exists(error):
                is_made = True
            elif error.code < 500:
                raise OSError(f"the API server refuses the bootstrap token: {error}") from None
        await asyncio.sleep(_LOOK_S)
