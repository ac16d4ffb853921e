"""Which nodes may take a pod, written from the documentation and for few things: a judge of the
scheduler that shares no line with it. It reads objects, not what the scheduler has made of them."""

HOSTNAME, ZONE = "kubernetes.io/hostname", "zone"
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def accepting(pod, nodes, pods):
    """Return the names of the nodes that may take *pod*; *pods* are all others that have one."""
    return [
        node["metadata"]["name"]
        for node in nodes
        if _tolerates(pod, node)
        and _names(pod, node)
        and _has_room(pod, node, _on(node, pods))
        and _has_ports(pod, _on(node, pods))
        and _is_spread(pod, node, nodes, pods)
        and _likes(pod, node, nodes, pods)
    ]


def _on(node, pods):
    return [each for each in pods if each["spec"]["nodeName"] == node["metadata"]["name"]]


def _tolerates(pod, node):
    taints = [*(node["spec"].get("taints") or ())]
    if node["spec"].get("unschedulable"):
        taints.append(CORDONED)
    for taint in taints:
        if taint["effect"] == "PreferNoSchedule":
            continue
        if not any(
            (not each.get("effect") or each["effect"] == taint["effect"])
            and (each.get("key") == taint["key"] or not each.get("key"))
            and (each["operator"] == "Exists" or each.get("value", "") == taint.get("value", ""))
            for each in pod["spec"].get("tolerations") or ()
        ):
            return False
    return True


def _names(pod, node):
    labels = node["metadata"]["labels"]
    wanted = pod["spec"].get("nodeSelector") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _cpu(pod):
    return int(pod["spec"]["containers"][0]["resources"]["requests"].get("cpu", 0))


def _has_room(pod, node, there):
    have = node["status"]["allocatable"]
    if len(there) + 1 > int(have["pods"]):
        return False
    return _cpu(pod) == 0 or sum(map(_cpu, there)) + _cpu(pod) <= int(have["cpu"])


def _ports(pod):
    return {port["hostPort"] for port in pod["spec"]["containers"][0].get("ports") or ()}


def _has_ports(pod, there):
    return not any(_ports(pod) & _ports(other) for other in there)


def _means(selector, pod):
    labels = pod["metadata"]["labels"]
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def _is_going(pod):
    return "deletionTimestamp" in pod["metadata"]


def _is_spread(pod, node, nodes, pods):
    rows = pod["spec"].get("topologySpreadConstraints") or ()
    keys = [row["topologyKey"] for row in rows]
    for row in rows:
        key, selector = row["topologyKey"], row["labelSelector"]
        mine = node["metadata"]["labels"].get(key)
        if mine is None:
            return False
        counts = {}
        for other in nodes:
            labels = other["metadata"]["labels"]
            if all(each in labels for each in keys) and _names(pod, other):
                alike = sum(_means(selector, p) and not _is_going(p) for p in _on(other, pods))
                counts[labels[key]] = counts.get(labels[key], 0) + alike
        least = min(counts.values(), default=0)
        if counts.get(mine, 0) + _means(selector, pod) - least > row["maxSkew"]:
            return False
    return True


def _terms(pod, kind):
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []


def _likes(pod, node, nodes, pods):
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in nodes}
    placed = [each for each in pods if each["spec"]["nodeName"] in labels]
    mine = node["metadata"]["labels"]

    def is_near(other, term):
        key = term["topologyKey"]
        theirs = labels[other["spec"]["nodeName"]].get(key)
        return theirs is not None and theirs == mine.get(key)

    for other in placed:
        for term in _terms(other, "podAntiAffinity"):
            if _means(term["labelSelector"], pod) and is_near(other, term):
                return False
        for term in _terms(pod, "podAntiAffinity"):
            if _means(term["labelSelector"], other) and is_near(other, term):
                return False
    wanted = _terms(pod, "podAffinity")
    if not all(term["topologyKey"] in mine for term in wanted):
        return False
    meant = [p for p in placed if all(_means(term["labelSelector"], p) for term in wanted)]
    if all(any(is_near(other, term) for other in meant) for term in wanted):
        return True
    somewhere = any(
        term["topologyKey"] in labels[other["spec"]["nodeName"]]
        for other in meant
        for term in wanted
    )
    return not somewhere and all(_means(term["labelSelector"], pod) for term in wanted)
