"""When leases end."""

from __future__ import annotations

import pytest

from controlplane.storage.interface import LeaseNotFound
from controlplane.storage.leases import Leases


def test_granted_until_its_time_is_over():
    leases = Leases()
    leases.grant(7, 10, 100.0)
    leases.check(7, 109.9)
    assert (leases.deadline(), leases.due(109.9), leases.due(110.0)) == (110.0, [], [7])
    with pytest.raises(LeaseNotFound, match="lease 7 is not there"):
        leases.check(7, 110.0)


def test_kept_alive_it_lives_its_whole_time_again():
    leases = Leases()
    leases.grant(7, 10, 100.0)
    leases.keep_alive(7, 109.0)
    assert leases.due(118.9) == []
    assert leases.due(119.0) == [7]
    with pytest.raises(LeaseNotFound):
        leases.keep_alive(7, 119.0)


def test_revoked_it_is_due_until_forgotten():
    leases = Leases()
    leases.grant(7, 10, 100.0)
    leases.grant(8, 5, 100.0)
    leases.revoke(7, 101.0)
    with pytest.raises(LeaseNotFound):
        leases.revoke(7, 101.0)
    assert leases.due(101.0) == [7]
    leases.forget(7)
    assert (leases.due(101.0), leases.deadline()) == ([], 105.0)
    leases.forget(8)
    assert leases.deadline() is None
