"""Pods as ends of links: which there are, on which node, and whether they still are.

Found through what podruntimes have written, not through the API, which a fault may have cut off. A
pod is called `pod/NAMESPACE/NAME`; `pod/NAMESPACE/KEY=VALUE` are all that have this label now. Its
only link is to its node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from kubeapi.selectors import SelectorError, parse_label_selector
from podruntime.store import SandboxDirectory
from podwire.cluster import hosts
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher.link_rules import Rule

_FORM: Final = "pod/NAMESPACE/NAME or pod/NAMESPACE/LABEL=VALUE"


@dataclass(frozen=True, slots=True)
class PodPlace:
    """A pod that has a sandbox on a node."""

    host: str
    node: str
    uid: str
    labels: Mapping[str, str]


def places(paths: Layout) -> list[PodPlace]:
    """Return where pods are; of two with one name the younger is the one."""
    found = []
    for path in (paths.directory / "nodes").glob("*/pods/*/sandbox.json"):
        record = SandboxDirectory(path.parent).record()
        if record is not None:
            metadata = record.config.metadata
            host = hosts.pod_name(metadata.namespace, metadata.name)
            node = path.parents[2].name
            place = PodPlace(host, node, metadata.uid, record.config.labels)
            found.append((record.created_at, place))
    by_age = sorted(found, key=lambda each: each[0])
    return list({place.host: place for _, place in by_age}.values())


def find(known: Iterable[PodPlace], text: str) -> list[PodPlace]:
    """Return the pods that *text* names; raises UsageError when there is none."""
    node, namespace, name = _split(text)
    there = [each for each in known if node in ("", each.node)]
    if "=" not in name:
        found = [each for each in there if each.host == hosts.pod_name(namespace, name)]
    else:
        found = _matching(there, namespace, name)
    if not found:
        where = f" on {node}" if node else ""
        raise UsageError(f"no pod {namespace}/{name} runs{where}; see podwire get pods -A")
    return sorted(found, key=lambda each: each.host)


def _split(text: str) -> tuple[str, str, str]:
    """Return node or "", namespace, and name or label."""
    node, _, rest = f"/{text}".partition(f"/{hosts.POD_PREFIX}")
    namespace, _, name = rest.partition("/")
    if not namespace or not name or ("/" in name and "=" not in name):
        raise UsageError(f"{text!r} names no pod; write {_FORM}")
    return node.removeprefix("/"), namespace, name


def _matching(known: Iterable[PodPlace], namespace: str, text: str) -> list[PodPlace]:
    try:
        selector = parse_label_selector(text)
    except SelectorError as error:
        raise UsageError(f"{text!r}: {error}") from None
    prefix = hosts.pod_name(namespace, "")
    return [
        each for each in known if each.host.startswith(prefix) and selector.matches(each.labels)
    ]


def pairs(paths: Layout, cluster: Cluster, left: str, right: str) -> list[tuple[str, str]]:
    """Return the links between two groups of hosts; of pods those to their nodes.

    Raises UsageError when there are none. *right* may be `hosts.ALL`.
    """
    pods_left, pods_right = hosts.names_pods(left), hosts.names_pods(right)
    if not pods_left and not pods_right:
        return hosts.pairs(cluster, left, right)
    if pods_left and pods_right:
        raise UsageError("pods share no link; name pods, and at most the node they run on")
    named, other = (left, right) if pods_left else (right, left)
    nodes = None if other == hosts.ALL else hosts.expand(cluster, other)
    known, found = places(paths), []
    for place in (each for text in named.split(",") for each in find(known, text)):
        if nodes is not None and place.node not in nodes:
            raise UsageError(
                f"{place.host} runs on {place.node}: that is its only link, {other} is not on it"
            )
        found.append((place.host, place.node) if pods_left else (place.node, place.host))
    return found


def located(paths: Layout, rules: Sequence[Rule]) -> list[Rule]:
    """Return *rules*, those of pods with their uids.

    Raises UsageError for a pod that is not, or not on the node that the rule names.
    """
    known = places(paths) if any(rule.pod for rule in rules) else []
    return [_located(known, rule) if rule.pod else rule for rule in rules]


def _located(known: Sequence[PodPlace], rule: Rule) -> Rule:
    place = find(known, rule.pod)[0]
    if place.host != rule.pod:
        raise UsageError(f"{rule.pod!r} is no pod's name; write {_FORM}")
    if rule.told != f"{place.node}/datapath":
        raise UsageError(f"{rule.pod} runs on {place.node}: that is its only link")
    if rule.uid not in ("", place.uid):
        raise UsageError(f"{rule.pod} is another pod than the one that this was said of")
    return msgspec.structs.replace(rule, uid=place.uid)


def expand(paths: Layout, cluster: Cluster, names: Sequence[str]) -> list[str]:
    """Return the hosts that *names* are, pods among them, dead ones too."""
    found: list[str] = []
    for text in names:
        if not hosts.names_pods(text):
            found += hosts.expand(cluster, text)
            continue
        for name in text.split(","):
            _, namespace, own = _split(name)
            if "=" in own:
                found += [each.host for each in find(places(paths), name)]
            else:
                found.append(hosts.pod_name(namespace, own))
    return found
