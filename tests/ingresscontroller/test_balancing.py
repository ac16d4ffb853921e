"""Endpoints have their turns; who has failed is asked last."""

from __future__ import annotations

from http.cookies import SimpleCookie

from ingresscontroller.balancing import REMEMBERED_MAX, SHUNNED_S, Balancer, cookie_for, set_cookie
from ingresscontroller.policy import Affinity
from ingresscontroller.table import Backend

BACKEND = Backend("default", "web", 80)
A, B, C = ("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)


def test_each_has_its_turn():
    balancer = Balancer()
    chosen = [balancer.choose(BACKEND, [A, B, C], (), "", 0.0) for _ in range(6)]
    assert chosen == [A, B, C, A, B, C]


def test_none_is_tried_twice():
    assert Balancer().choose(BACKEND, [A, B], {A: None, B: None}, "", 0.0) is None
    assert Balancer().choose(BACKEND, [A, B], {A: None}, "", 0.0) == B
    assert Balancer().choose(BACKEND, [], (), "", 0.0) is None


def test_who_has_failed_is_the_last_resort_for_a_while():
    balancer = Balancer()
    balancer.failed(A, 0.0)
    assert [balancer.choose(BACKEND, [A, B], (), "", 1.0) for _ in range(3)] == [B, B, B]
    assert balancer.choose(BACKEND, [A], (), "", 1.0) == A
    later = [balancer.choose(BACKEND, [A, B], (), "", SHUNNED_S) for _ in range(2)]
    assert sorted(later) == [A, B]


def test_a_cookie_leads_back_while_its_endpoint_is_there():
    balancer = Balancer()
    for _ in range(3):
        assert balancer.choose(BACKEND, [A, B], (), cookie_for(B), 0.0) == B
    assert balancer.choose(BACKEND, [A], (), cookie_for(B), 0.0) == A
    assert balancer.choose(BACKEND, [A, B], {B: None}, cookie_for(B), 0.0) == A


def test_the_cookie_says_where_it_counts():
    affinity = Affinity(name="route", path="/app", max_age_s=60, same_site="Lax")
    text = set_cookie(affinity, A, secure=True).decode()
    morsel = SimpleCookie(text.removeprefix("Set-Cookie: ").strip())["route"]
    assert morsel.value == cookie_for(A)
    assert (morsel["path"], morsel["max-age"], morsel["samesite"]) == ("/app", "60", "Lax")
    assert morsel["secure"]
    assert morsel["httponly"]
    assert "Secure" not in set_cookie(Affinity(), A, secure=False).decode()


def test_what_is_remembered_is_bounded():
    balancer = Balancer()
    for number in range(3 * REMEMBERED_MAX):
        backend = Backend("default", "web", number)
        assert balancer.choose(backend, [A, B], (), "", 0.0) == A
        balancer.failed((f"10.1.0.{number}", 80), 0.0)
    assert max(balancer.remembered()) <= REMEMBERED_MAX
