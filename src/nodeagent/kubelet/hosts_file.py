"""A pod's host name, and its /etc/hosts (kubelet_pods.go, GeneratePodHostNameAndDomain and
managedHostsFileContent).

The lines of IPv6 are there only where the pod has it: elsewhere nobody would answer at the first
address of localhost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, name_of, namespace_of
from nodeagent.cni.host_network import is_host_network
from nodeagent.kubelet.references import ConfigError

_HEADER: Final = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"
_HEADER6: Final = (
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
_ALIASES: Final = "\n# Entries added by HostAliases.\n"
_NAME_MAX: Final = 63
#: Linux's HOST_NAME_MAX.
_FQDN_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class HostName:
    """What a pod is called, with the domain that a subdomain puts it into."""

    name: str
    domain: str = ""

    @property
    def qualified(self) -> str:
        """Return the name with its domain."""
        return f"{self.name}.{self.domain}" if self.domain else self.name


def host_name(pod: Object, cluster_domain: str) -> HostName:
    """Return the name of *pod*; in its node's network it has the node's (no UTS namespace)."""
    spec = pod["spec"]
    if is_host_network(pod):
        return HostName(spec["nodeName"][:_NAME_MAX])
    name = (spec.get("hostname") or name_of(pod))[:_NAME_MAX].rstrip("-.")
    subdomain = spec.get("subdomain")
    if not subdomain:
        return HostName(name)
    return HostName(name, f"{subdomain}.{namespace_of(pod)}.svc.{cluster_domain}")


def kernel_name(pod: Object, named: HostName) -> str:
    """Return what gethostname says; raises ConfigError when that would be too long."""
    if not pod["spec"].get("setHostnameAsFQDN"):
        return named.name
    name = named.qualified
    if len(name) > _FQDN_MAX:
        raise ConfigError(
            "failed to construct FQDN from pod hostname and cluster domain, FQDN "
            f"{name} is too long ({_FQDN_MAX} characters is the max, {len(name)} characters "
            "requested)"
        )
    return name


def hosts_file(pod: Object, named: HostName, addresses: Iterable[str]) -> str:
    """Return the text of /etc/hosts."""
    known = list(addresses)
    names = f"{named.qualified}\t{named.name}" if named.domain else named.name
    lines = [_HEADER, _HEADER6 if any(":" in address for address in known) else ""]
    lines += [f"{address}\t{names}\n" for address in known]
    aliases = pod["spec"].get("hostAliases") or ()
    lines += [_ALIASES] if aliases else []
    for alias in aliases:
        lines.append("\t".join((alias["ip"], *(alias.get("hostnames") or ()))) + "\n")
    return "".join(lines)
