"""What is written down: a Policy of audit.k8s.io/v1 (upstream: audit/policy, apis/audit).

The first rule that fits says how much; what none fits is not written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import yaml

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.rule import ALL, url_covers
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.bounded_yaml import BoundedLoader

Level = Literal["None", "Metadata", "Request", "RequestResponse"]
Stage = Literal["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
API_VERSION: Final = "audit.k8s.io/v1"
#: How much of a policy is read, and of how many rules.
OCTETS_MAX: Final = 1 << 20
RULES_MAX: Final = 1000


class BadPolicy(ValueError):
    """A policy that makes no sense; the text says why."""


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wrote."""


class GroupResources(_Struct, frozen=True, kw_only=True):
    """Resources of one API group."""

    group: str = ""
    resources: tuple[str, ...] = ()
    resourceNames: tuple[str, ...] = ()


class PolicyRule(_Struct, frozen=True, kw_only=True):
    """Which requests, and how much of them."""

    level: Level
    users: tuple[str, ...] = ()
    userGroups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    nonResourceURLs: tuple[str, ...] = ()
    omitStages: tuple[Stage, ...] = ()
    omitManagedFields: bool | None = None

    def fits(self, user: User, info: RequestInfo) -> bool:
        """Tell whether the rule is about this request."""
        if self.users and user.name not in self.users:
            return False
        if self.userGroups and not any(group in self.userGroups for group in user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return self._fits_resource(info)
        if self.nonResourceURLs:
            return not info.resource and any(
                url_covers(url, info.path) for url in self.nonResourceURLs
            )
        return True

    def _fits_resource(self, info: RequestInfo) -> bool:
        if not info.resource or (self.namespaces and info.namespace not in self.namespaces):
            return False
        return not self.resources or any(_fits(each, info) for each in self.resources)


def _fits(wanted: GroupResources, info: RequestInfo) -> bool:
    if wanted.group != info.group:
        return False
    if not wanted.resources:
        return True
    if wanted.resourceNames and info.name not in wanted.resourceNames:
        return False
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    meant = (what, ALL, f"{info.resource}/*", f"*/{info.subresource}" if info.subresource else what)
    return any(each in meant for each in wanted.resources)


class Policy(_Struct, frozen=True, kw_only=True):
    """The whole file."""

    apiVersion: str
    kind: str
    metadata: dict[str, object] = {}
    rules: tuple[PolicyRule, ...] = ()
    omitStages: tuple[Stage, ...] = ()
    omitManagedFields: bool = False

    def judge(self, user: User, info: RequestInfo) -> Verdict:
        """Return how much of a request is written down."""
        rule = next((rule for rule in self.rules if rule.fits(user, info)), None)
        if rule is None or rule.level == "None":
            return _NOTHING
        own = rule.omitManagedFields
        return Verdict(
            rule.level,
            (*self.omitStages, *rule.omitStages),
            self.omitManagedFields if own is None else own,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much is written down, in which stages not, and whether without managedFields."""

    level: Level
    omitted: tuple[str, ...] = ()
    omits_managed_fields: bool = False


_NOTHING: Final = Verdict("None")


def load(text: str) -> Policy:
    """Read a policy as YAML or JSON has it; raises BadPolicy."""
    if len(text) > OCTETS_MAX:
        raise BadPolicy(f"it is longer than {OCTETS_MAX} characters")
    try:
        policy = msgspec.convert(yaml.load(text, Loader=BoundedLoader), Policy)
    except (*UNREADABLE, yaml.YAMLError) as error:
        raise BadPolicy(str(error)) from None
    wrong = next(_complaints(policy), "")
    if wrong:
        raise BadPolicy(wrong)
    return policy


def _complaints(policy: Policy) -> Iterator[str]:
    if (policy.apiVersion, policy.kind) != (API_VERSION, "Policy"):
        yield f"a Policy of {API_VERSION} is needed, not {policy.kind} of {policy.apiVersion}"
    if not policy.rules:
        yield "it has no rules, so nothing would be written down"
    if len(policy.rules) > RULES_MAX:
        yield f"it has more than {RULES_MAX} rules"
    for index, rule in enumerate(policy.rules):
        yield from (f"rules[{index}].{wrong}" for wrong in _complaints_of(rule))


def _complaints_of(rule: PolicyRule) -> Iterator[str]:
    if rule.nonResourceURLs and (rule.resources or rule.namespaces):
        yield "nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs"
    for url in rule.nonResourceURLs:
        if url != ALL and not url.startswith("/"):
            yield f"nonResourceURLs: {url!r} does not begin with /"
        if ALL in url[:-1]:
            yield f"nonResourceURLs: {url!r} has a star before its end"
    for each in rule.resources:
        if "/" in each.group:
            yield f"resources.group: {each.group!r} is a group and its version; only the group"
        if each.resourceNames and not each.resources:
            yield "resources.resourceNames: using resourceNames requires at least one resource"
        yield from _complaints_of_resources(each.resources)


def _complaints_of_resources(resources: Sequence[str]) -> Iterator[str]:
    for each in resources:
        if not each or each.count("/") > 1:
            yield f"resources.resources: {each!r} is no resource"
