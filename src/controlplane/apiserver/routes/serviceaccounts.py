"""Service accounts' tokens, issued on request and believed when shown."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from componentbase.clock import Clock
from controlplane import bootstrap_token
from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.authn import AUTHENTICATED, User
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.decoding import read_body
from controlplane.apiserver.exchange import Answer, Request, answer_object
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import write_options
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.serviceaccount import token_request
from controlplane.apiserver.serviceaccount.claims import TokenAuthority, Wanted
from controlplane.apiserver.serviceaccount.token_request import Bound
from controlplane.jwt import InvalidToken
from kubeapi.objects import Object
from kubeapi.resources import NODES, PODS, SECRETS, TOKENREQUESTS, Resource
from kubeapi.status import method_not_allowed, no_such_path, not_found, unauthorized


def _find(cacher: Cacher, resource: Resource, namespace: str, name: str) -> Object | None:
    found = cacher.cache(resource).get(keys.key(resource, namespace, name))
    return None if found is None else found.object


class Tokens:
    """Tells whom a token stands for."""

    def __init__(self, cacher: Cacher, authority: TokenAuthority | None, *, wall: Clock) -> None:
        self._cacher, self._authority, self._wall = cacher, authority, wall

    async def user_of(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return the account that shows *token* to *audiences*, by default the API server.

        Raises StatusError 401.
        """
        joining = bootstrap_token.split(token)
        if joining is not None and not audiences:
            return await self._joining(*joining)
        if self._authority is None:
            raise unauthorized()
        seen = self._cacher.revision
        try:
            return self._judge(self._authority, token, audiences)
        except InvalidToken as error:
            # A token that another server has just issued may be about objects not yet seen here.
            if not error.is_about_objects or not await self._cacher.has_moved_since(seen):
                raise unauthorized() from None
        try:
            return self._judge(self._authority, token, audiences)
        except InvalidToken:
            raise unauthorized() from None

    async def _joining(self, token_id: str, shown: str) -> User:
        """Return who shows a bootstrap token; raises StatusError 401."""
        where, name = bootstrap_token.NAMESPACE, bootstrap_token.NAME_PREFIX + token_id
        secret = _find(self._cacher, SECRETS, where, name)
        if secret is None:
            await self._cacher.wait_until_fresh()
            secret = _find(self._cacher, SECRETS, where, name)
        if secret is None:
            raise unauthorized()
        groups = bootstrap_token.groups_of(secret, token_id, shown, self._wall())
        if groups is None:
            raise unauthorized()
        return User(bootstrap_token.USER_PREFIX + token_id, (*groups, AUTHENTICATED))

    async def review(self, token: str, audiences: Sequence[str]) -> tuple[User, Sequence[str]]:
        """Return whom *token* stands for towards *audiences*, and for which of them it is meant."""
        if bootstrap_token.split(token) is not None:
            return await self.user_of(token), ()
        if self._authority is None:
            raise unauthorized()
        meant = [each for each in audiences if each in self._authority.audiences_of(token)]
        if audiences and not meant:
            raise unauthorized()
        return await self.user_of(token, audiences), meant or [self._authority.issuer]

    def _judge(self, authority: TokenAuthority, token: str, audiences: Sequence[str]) -> User:
        def lookup(resource: Resource, namespace: str, name: str) -> Object | None:
            return _find(self._cacher, resource, namespace, name)

        return authority.judge(token, lookup, self._wall(), audiences=audiences)


class ServiceAccountRoutes:
    """Answers what only service accounts have."""

    def __init__(
        self, registry: Registry, authority: TokenAuthority | None, *, wall: Clock
    ) -> None:
        self._registry, self._authority, self._wall = registry, authority, wall

    async def token(self, kind: Kind, request: Request) -> Answer:
        """Issue a token; raises StatusError."""
        info = request.info
        if self._authority is None:
            raise no_such_path()
        if info.verb != "create":
            raise method_not_allowed(kind.resource, info.verb)
        options = write_options(request)
        admitted = read_body(request.body, request.content_type, TOKENREQUESTS, options.strictness)
        body = admitted.obj
        asked = token_request.parse(body, self._authority.issuer)
        await self._registry.cacher.wait_until_fresh()
        account = self._registry.get(kind, info.namespace, info.name).object
        await self._registry.chain.run(
            Attributes(
                operation=Operation.CREATE,
                kind=kind,
                namespace=info.namespace,
                name=info.name,
                subresource=info.subresource,
                obj=body,
                object_kind=("authentication.k8s.io", "v1", "TokenRequest"),
                options=options,
            )
        )
        bound = self._bound(asked.bound, info.namespace, info.name)
        now = self._wall()
        wanted = Wanted(
            namespace=info.namespace,
            account=account,
            audiences=asked.audiences,
            duration_s=asked.duration_s,
            bound=bound,
            node=self._node_of(bound),
        )
        issued = self._authority.issue(wanted, str(uuid.uuid4()), now)
        shown = token_request.answer(body, asked, account, issued, now)
        warnings = [*admitted.warnings, *options.warnings]
        return answer_object(shown, request.accepted, status=201, warnings=warnings)

    def _bound(
        self, bound: Bound | None, namespace: str, account: str
    ) -> tuple[Resource, Object] | None:
        found = None
        if bound is not None:
            where = "" if bound.resource == NODES else namespace
            found = _find(self._registry.cacher, bound.resource, where, bound.name)
        if bound is None:
            return None
        if found is None:
            raise not_found(bound.resource, bound.name)
        token_request.check_bound(bound, found, account)
        return bound.resource, found

    def _node_of(self, bound: tuple[Resource, Object] | None) -> Object | None:
        """Return the node of a pod that a token is bound to, for the record."""
        if bound is None or bound[0] != PODS:
            return None
        name = bound[1]["spec"].get("nodeName")
        return _find(self._registry.cacher, NODES, "", name) if name else None
