"""The table of states is complete, and the diagram in the README is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netstack import tcp
from netstack.tcp import states
from netstack.tcp.states import NEXT, IllegalTransition, Signal, State, step


def test_every_state_can_be_reached_and_left():
    reached = {State.CLOSED}
    while grown := {NEXT[key] for key in NEXT if key[0] in reached} - reached:
        reached |= grown
    assert reached == set(State)
    assert {state for state, _ in NEXT} == set(State)


def test_every_state_leads_to_closed():
    leads = {State.CLOSED}
    while grown := {state for (state, _), after in NEXT.items() if after in leads} - leads:
        leads |= grown
    # A connection in LISTEN receives the SYN that made it at once, so LISTEN leads on too.
    assert leads == set(State)


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_means_something(signal):
    assert any(each is signal for _, each in NEXT)


@pytest.mark.parametrize("state", State)
def test_a_known_peer_may_reset_or_fall_silent(state):
    has_peer = state not in (State.CLOSED, State.LISTEN)
    assert ((state, Signal.RESET) in NEXT) is has_peer
    assert ((state, Signal.TIMEOUT) in NEXT) is has_peer


@pytest.mark.parametrize("state", states.MAY_RECEIVE)
def test_states_that_receive_take_a_fin(state):
    assert (state, Signal.PEER_FIN) in NEXT


@pytest.mark.parametrize("state", states.MAY_SEND)
def test_states_that_send_may_be_closed(state):
    assert (state, Signal.APP_CLOSE) in NEXT


def test_closed_peer_fin_is_our_own_bug():
    with pytest.raises(IllegalTransition, match="PEER_FIN in CLOSED"):
        step(State.CLOSED, Signal.PEER_FIN)


def test_readme_shows_the_table():
    readme = Path(tcp.__file__).with_name("README.md").read_text()
    assert f"```mermaid\n{states.diagram()}\n```" in readme
