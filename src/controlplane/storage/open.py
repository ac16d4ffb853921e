"""Which store a configuration asks for: etcd where endpoints are named, else the embedded one.

The etcd client is imported only here and only then: gRPC starts threads, must not be loaded before
a process forks, and weighs what nobody needs who has no etcd.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import StorageError, Store


async def open_store(
    *,
    store_path: str,
    etcd_endpoints: Sequence[str] = (),
    etcd_ca: str = "",
    etcd_certificate: str = "",
    etcd_private_key: str = "",
    etcd_server_name: str = "",
    cluster_uid: str = "",
    cluster_name: str = "",
) -> Store:
    """Open the store; raises a StorageError that says what is wrong and what to do.

    *etcd_endpoints* are `host:port`; the three files are PEM; *etcd_server_name* is the name that
    the members' certificates carry, where it is not the endpoint's. *cluster_uid* and
    *cluster_name* say whose keys an etcd holds: one with another cluster's is refused.
    """
    if not etcd_endpoints:
        return await EmbeddedStore.open(Path(store_path))
    # gRPC's core writes every lost connection to stderr; what matters reaches the log through us.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from controlplane.storage.etcd.members import Credentials
        from controlplane.storage.etcd.store import EtcdStore
    except ImportError as error:
        raise StorageError(f"etcd: {error}; install it: pip install 'podwire[etcd]'") from None
    credentials = Credentials(etcd_ca, etcd_certificate, etcd_private_key, etcd_server_name)
    return await EtcdStore.open(
        etcd_endpoints,
        credentials=credentials,
        cluster_uid=cluster_uid,
        cluster_name=cluster_name,
    )
