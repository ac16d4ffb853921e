"""The table of faults: what is wrong with which link, and with which calls of the API.

Pure: who keeps it, whom it concerns, what each of them is told. A rule is directed; what leaves
`from` towards `to` is impaired by whom the rule says; API faults are every API server's.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.api_faults import ANY, Fault
from kubeapi.resources import ALL
from podwire.cluster import hosts, pki
from podwire.cluster.layout import Cluster, Layout, UsageError, node_number
from podwire.cluster.plan import FABRIC, apiservers
from podwire.launcher.link_rules import Rule, in_words, link_key

API_FAULTS_MAX: Final = 100
STATUSES: Final = (0, 409, 429, 500)
_HEALTH: Final = ("/healthz", "/livez", "/readyz")
_RESOURCES: Final = sorted(resource.plural for resource in ALL)


class ApiFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to some calls of the API (contracts §11)."""

    id: str = ""
    user: str = "*"
    verb: str = "*"
    resource: str = "*"
    latency_s: float = 0.0
    status: int = 0
    share: float = 1.0
    drop_watches: bool = False

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"an API fault's status is 409, 429 or 500, not {self.status}")
        # The API server is the judge of what makes sense: what it refuses must not get that far.
        if why := msgspec.convert(_as_entry(self), Fault).complaint():
            raise ValueError(why)
        plural = self.resource.partition("/")[0]
        if self.resource not in (ANY, *_HEALTH) and plural not in _RESOURCES:
            known = ", ".join((*_RESOURCES, *_HEALTH))
            raise ValueError(f"there is no resource {self.resource!r}; there are {known}")


def _as_entry(fault: ApiFault) -> dict[str, Any]:
    return msgspec.structs.asdict(fault) | {"id": fault.id or "new"}


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rules: list[Rule] = []
    api: list[ApiFault] = []


class FaultTable:
    """All faults of a cluster."""

    def __init__(self, rules: Iterable[Rule] = (), api: Iterable[ApiFault] = ()) -> None:
        self._rules = {rule.key: rule for rule in rules}
        self._api = {fault.id: fault for fault in api}

    @property
    def rules(self) -> Sequence[Rule]:
        return list(self._rules.values())

    @property
    def api(self) -> Sequence[ApiFault]:
        return list(self._api.values())

    def set(self, rules: Iterable[Rule]) -> None:
        """Put *rules* in the place of those between the same hosts."""
        for rule in rules:
            self._rules[rule.key] = rule

    def heal(self, names: Sequence[str]) -> list[Rule]:
        """Remove all rules, or those that touch one of the hosts *names*; return them."""
        return self._end(lambda rule: not names or bool({*names} & {*rule.key}))

    def heal_ways(self, ways: Iterable[tuple[str, str]]) -> list[Rule]:
        """Remove the rules from one host to another; return them."""
        wanted = dict.fromkeys(ways)
        return self._end(lambda rule: rule.key in wanted)

    def end_gone_pods(self, living: Callable[[], Container[str]]) -> list[Rule]:
        """Remove the rules of pods whose uids are not among the *living*; return them."""
        if not any(rule.pod for rule in self.rules):
            return []
        uids = living()
        return self._end(lambda rule: bool(rule.pod) and rule.uid not in uids)

    def _end(self, ends: Callable[[Rule], bool]) -> list[Rule]:
        ended = [rule for rule in self.rules if ends(rule)]
        for rule in ended:
            del self._rules[rule.key]
        return ended

    def seeded(self, rules: Iterable[Rule], seed: int) -> list[Rule]:
        """Return *rules* with seeds: their own, of the rules they replace, or *seed*."""
        found = []
        for rule in rules:
            if rule.seed is None:
                before = self._rules.get(rule.key)
                known = None if before is None else before.seed
                rule = msgspec.structs.replace(rule, seed=seed if known is None else known)
            found.append(rule)
        return found

    def set_api(self, fault: ApiFault) -> ApiFault:
        """Add *fault* and return it with its id; raises UsageError when there are too many."""
        if len(self._api) >= API_FAULTS_MAX:
            raise UsageError(f"there are {API_FAULTS_MAX} API faults; heal some first")
        number = 1 + max((int(key) for key in self._api if key.isdigit()), default=0)
        named = msgspec.structs.replace(fault, id=str(number))
        self._api[named.id] = named
        return named

    def heal_api(self, fault_id: str) -> list[ApiFault]:
        """Remove the fault *fault_id*, or all when it is ""; return them."""
        healed = [fault for fault in self.api if fault_id in ("", fault.id)]
        for fault in healed:
            del self._api[fault.id]
        return healed

    def of_datapath(self, cluster: Cluster, node: str) -> list[dict[str, Any]]:
        """Return the entries of the netlink table `impairment` of *node*."""
        return [
            rule.impairment() | {"remote": cluster.underlay_address(node_number(rule.target))}
            for rule in self._enforced(f"{node}/datapath")
            if not rule.pod
        ]

    def of_links(self, node: str) -> list[dict[str, Any]]:
        """Return the entries of the netlink table `link_impairment` of *node*."""
        return [
            rule.impairment() | {"name": name, "direction": direction}
            for rule in self._enforced(f"{node}/datapath")
            if rule.pod
            for name, direction in [link_key(rule)]
        ]

    def _enforced(self, process: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.told == process]

    def of_fabric(self) -> list[dict[str, Any]]:
        """Return the fabric's rules."""
        return [
            rule.impairment() | {"from": rule.source, "to": rule.target}
            for rule in self._enforced(FABRIC)
        ]

    def of_apiservers(self) -> list[dict[str, Any]]:
        """Return every API server's faults."""
        return [msgspec.to_builtins(fault) for fault in self.api]

    def concerns(self, process: str) -> bool:
        """Tell whether *process* has to be told something when it starts anew."""
        if process.startswith("apiserver"):
            return bool(self._api)
        return bool(self._enforced(process))

    def write(self, path: Path) -> None:
        """Keep the table at *path*; without faults there is no file."""
        if not self._rules and not self._api:
            path.unlink(missing_ok=True)
            return
        draft = path.with_suffix(".new")
        content = _File(rules=list(self.rules), api=list(self.api))
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
        draft.replace(path)


def told(rules: Iterable[Rule]) -> list[str]:
    """Return the processes that enforce *rules*."""
    return list(dict.fromkeys(rule.told for rule in rules))


def told_of_api(cluster: Cluster) -> list[str]:
    """Return the processes that enforce API faults."""
    return apiservers(cluster)


def read(paths: Layout) -> FaultTable:
    """Return the table that a cluster keeps; raises UsageError when its file is damaged."""
    path = paths.faults_file
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return FaultTable()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; it holds the cluster's faults only: remove it"
        ) from None
    except UNREADABLE as error:
        raise UsageError(
            f"{path}: {error}; it holds the cluster's faults only: remove it"
        ) from None
    return FaultTable(content.rules, content.api)


def parse_api_fault(cluster: Cluster, entry: object) -> ApiFault:
    """Return the API fault that *entry* is; raises UsageError when it is impossible."""
    try:
        fault = msgspec.convert(entry, ApiFault)
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error)) from None
    known = users(cluster)
    if fault.user not in (ANY, *known):
        raise UsageError(f"there is no client {fault.user!r}; there are {', '.join(known)}")
    return fault


def users(cluster: Cluster) -> list[str]:
    """Return the names by which an API server knows its callers."""
    people = [one.user for one in (pki.ADMIN, pki.SCHEDULER, pki.CONTROLLER_MANAGER)]
    return [*people, *(pki.node_identity(name, ()).user for name in hosts.nodes(cluster))]
