"""The configuration file of the controller manager (see docs/internals/contracts.md §1)."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec

from componentbase.timings import TimingsName
from controlplane.controllermanager.nodeipam.cidr_set import Network
from controlplane.secure_serving import Settings


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log_file: str
    name: str
    kubeconfig: str
    timings: TimingsName
    cluster_cidr: str  # One network, or one of each family with a comma between.
    node_cidr_mask: int
    node_cidr_mask_ipv6: int = 64
    journal: str = ""
    serving: Settings | None = None  # of health and metrics; None: nowhere
    #: Networks of load balancers, and those of this machine that carry them; {}: nobody has one.
    external_map: dict[str, str] = {}
    node_balancers: bool = False  # Load balancers have the nodes' addresses: contracts §18.
    #: Files of the authority that signs for who asks by the API; "": nobody does.
    cluster_signing_cert: str = ""
    cluster_signing_key: str = ""
    service_account_key: str = ""  # Signs the tokens in Secrets; "": there are none.
    root_ca: str = ""  # What every namespace is told to trust; "": nothing.

    def pod_networks(self) -> tuple[tuple[Network, int], ...]:
        """Return each network of pods with the prefix length of a node's part of it."""
        masks = {4: self.node_cidr_mask, 6: self.node_cidr_mask_ipv6}
        networks = [ip_network(text) for text in self.cluster_cidr.split(",")]
        return tuple((network, masks[network.version]) for network in networks)
