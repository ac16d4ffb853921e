"""Fills Secrets of the type service-account-token (upstream: tokens_controller.go).

Who makes such a Secret and names an account in its annotation gets a token that has no end, the
cluster's authority and the namespace's name. The Secret goes with its account; an account forgets
a Secret that is gone. As in upstream since 1.24 no account gets a Secret by itself.
"""

from __future__ import annotations

from typing import Final

from controlplane import legacy_token
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.serviceaccounttoken.plan import (
    Delete,
    filled,
    is_owner,
    owner_of,
    plan,
    signer,
    without_reference,
)
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, split_key, uid_of
from kubeapi.resources import SECRETS, SERVICEACCOUNTS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2


class TokensController:
    """Secrets and accounts in; tokens, deletions and forgotten references out."""

    def __init__(self, context: Context) -> None:
        self._client, self._root_ca = context.client, context.root_ca
        self._sign = signer(context.service_account_key) if context.service_account_key else None
        #: Keys of a Secret and of the account that it is for.
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue("serviceaccount_tokens_secret")
        self._accounts = context.informer(SERVICEACCOUNTS)
        self._secrets = context.informers.informer(
            SECRETS, field_selector=f"type={legacy_token.SECRET_TYPE}"
        )
        self._secrets.add_handler(
            on_add=self._look_at,
            on_update=lambda _old, new: self._look_at(new),
            on_delete=self._look_at,
        )
        self._accounts.add_handler(on_delete=self._account_deleted)

    async def run(self) -> None:
        await self._secrets.wait_synced()
        await self._accounts.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _look_at(self, secret: Object) -> None:
        self._queue.add((key_of(secret), owner_of(secret)))

    def _account_deleted(self, account: Object) -> None:
        for secret in self._secrets.items():
            if owner_of(secret) == key_of(account):
                self._look_at(secret)

    async def _reconcile(self, key: tuple[str, str]) -> None:
        secret_key, owner = key
        try:
            if secret := self._secrets.get(secret_key):
                await self._sync(secret, owner)
            else:
                await self._forget(owner, split_key(secret_key)[1])
        except StatusError as error:
            # Gone, or changed meanwhile: then there is an event to come.
            if not (is_not_found(error) or is_conflict(error)):
                raise

    async def _sync(self, secret: Object, owner: str) -> None:
        account = self._accounts.get(owner)
        if not is_owner(account, secret):  # A new one may not be known here yet.
            account = await self._read(owner)
        step = plan(secret, account, self._root_ca)
        if isinstance(step, Delete):
            where = namespace_of(secret)
            await self._client.delete(SECRETS, name_of(secret), where, uid=uid_of(secret))
        elif step is not None and account is not None and self._sign is not None:
            # With the version that was seen: who has written meanwhile is looked at anew.
            new = filled(secret, account, step, self._root_ca, self._sign)
            await self._client.update(SECRETS, new)

    async def _read(self, owner: str) -> Object | None:
        namespace, name = split_key(owner)
        try:
            return await self._client.get(SERVICEACCOUNTS, name, namespace) if name else None
        except StatusError as error:
            if is_not_found(error):
                return None
            raise

    async def _forget(self, owner: str, secret: str) -> None:
        """Take the reference to a Secret that is gone from its account."""
        account = self._accounts.get(owner)
        new = None if account is None else without_reference(account, secret)
        if new is not None:
            await self._client.update(SERVICEACCOUNTS, new)
