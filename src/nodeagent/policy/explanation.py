"""Why a connection is allowed or denied, by whom, and what would change it: for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodeagent.datapath.policy_rules import NETWORK_POLICY_TIER, Ruling
from nodeagent.policy.evaluation import DIRECTIONS, Evaluation, Flow
from nodeagent.policy.facts import HASH_LABEL, PodFacts

_TYPES = {"egress": "Egress", "ingress": "Ingress"}
_WORDS = {"egress": ("to", "sends"), "ingress": ("from", "is sent")}


@dataclass(frozen=True, slots=True)
class Side:
    """What was said of one end of a connection."""

    direction: str
    #: The pod at that end; "" where there is none, and nothing to ask.
    pod: str
    allowed: bool
    #: Why, in words.
    text: str
    #: Every ruling that was met, the deciding one last.
    rulings: tuple[Ruling, ...]
    #: All policies that were asked, in order.
    policies: tuple[str, ...]
    #: What would make it another answer.
    change: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What policies say of a connection, end by end."""

    flow: Flow
    allowed: bool
    sides: tuple[Side, ...]


def explain(evaluation: Evaluation, flow: Flow) -> Explanation:
    """Say what becomes of *flow*, and why."""
    sides = tuple(
        _side(evaluation, flow, direction, tuple(evaluation.ask(flow, direction)))
        for direction in DIRECTIONS
    )
    return Explanation(flow, evaluation.judge(flow).denial is None, sides)


def _side(evaluation: Evaluation, flow: Flow, direction: str, rulings: tuple[Ruling, ...]) -> Side:
    address = flow.source if direction == "egress" else flow.destination
    pod = evaluation.pod_at(address)
    if pod is None:
        return Side(direction, "", True, "no pod there: no policy is asked", (), (), "")
    asked = tuple(spec.text for spec in evaluation.about(pod, direction))
    if evaluation.is_within_node(flow):
        text = "a pod and its own node: never judged"
        return Side(direction, pod.key, True, text, (), asked, "")
    denied = bool(rulings) and rulings[-1].action == "deny"
    change = (
        _how_to_allow(evaluation, flow, pod, rulings[-1])
        if denied
        else _how_to_deny(evaluation, flow, pod, direction, rulings)
    )
    return Side(direction, pod.key, not denied, _why(asked, rulings), rulings, asked, change)


def _why(asked: tuple[str, ...], rulings: tuple[Ruling, ...]) -> str:
    passed = [f"passed on by {each.by}" for each in rulings if each.action == "pass"]
    last = rulings[-1] if rulings else None
    if last is None or last.action == "pass":
        said = "no policy is about it" if not asked else "no rule fits, and nobody isolates the pod"
        return "; ".join([*passed, said])
    verb = "allowed" if last.action == "allow" else "denied"
    return "; ".join([*passed, f"{verb} by {last.by}"])


def _other(evaluation: Evaluation, flow: Flow, direction: str) -> str:
    """Return the other end as a rule would name it."""
    address = flow.destination if direction == "egress" else flow.source
    pod = evaluation.pod_at(address)
    if pod is None:
        return f"ipBlock {address}/{128 if ':' in address else 32}"
    labels = ",".join(
        f"{key}={value}" for key, value in sorted(pod.labels.items()) if key != HASH_LABEL
    )
    return f"pods {labels or 'of any labels'} in namespace {pod.namespace}"


def _port(flow: Flow) -> str:
    return f" on port {flow.port}/{flow.protocol}" if flow.protocol != "ICMP" else " with any port"


def _rule_for(evaluation: Evaluation, flow: Flow, direction: str) -> str:
    word, _ = _WORDS[direction]
    return f"an {direction} rule {word} {_other(evaluation, flow, direction)}{_port(flow)}"


def _how_to_allow(evaluation: Evaluation, flow: Flow, pod: PodFacts, denial: Ruling) -> str:
    rule = _rule_for(evaluation, flow, denial.direction)
    if denial.tier == NETWORK_POLICY_TIER:
        others = "" if len(denial.policies) == 1 else ", or in one of the others"
        return f"{rule}, in {denial.policies[0]}{others}, or in a new one that selects {pod.key}"
    before = f"an Allow before it: higher up in {denial.policies[0]}, or of a lower priority number"
    if denial.tier == "Admin":
        return f"{before} ({rule}); a NetworkPolicy cannot"
    return f"{rule}, in a NetworkPolicy that selects {pod.key}; or {before}"


def _how_to_deny(
    evaluation: Evaluation,
    flow: Flow,
    pod: PodFacts,
    direction: str,
    rulings: tuple[Ruling, ...],
) -> str:
    last = rulings[-1] if rulings else None
    if last is None or last.action != "allow":
        kind = _TYPES[direction]
        return (
            f"any NetworkPolicy of type {kind} that selects {pod.key} denies what it does not allow"
        )
    if last.tier == "Admin":
        return f"a Deny before it: higher up in {last.policies[0]}, or of a lower priority number"
    others = list(_also(evaluation, flow, direction, last))
    if others:
        return f"not {last.by} alone: {', '.join(others)} would allow it, too"
    if last.tier == NETWORK_POLICY_TIER:
        return f"without {last.by} nothing would allow it, and the pod is isolated"
    return f"any NetworkPolicy that selects {pod.key}, or a Deny before {last.by}"


def _also(evaluation: Evaluation, flow: Flow, direction: str, last: Ruling) -> Iterator[str]:
    seen = {last.by: None}
    for each in evaluation.fitting(flow, direction):
        if each.tier == last.tier and each.action == "allow" and each.by not in seen:
            seen[each.by] = None
            yield each.by
