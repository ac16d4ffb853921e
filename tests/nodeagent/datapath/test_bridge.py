"""The forwarding database against a naive model of it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodeagent.datapath.bridge import Fdb

MACS = st.sampled_from([bytes((2, 0, 0, 0, 0, n)) for n in range(6)])
PORTS = st.sampled_from(["one", "two", "three"])
LIFETIME_S, ENTRIES_MAX = 10.0, 4


class FdbMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.fdb = Fdb(lifetime_s=LIFETIME_S, entries_max=ENTRIES_MAX)
        self.model = {}  # MAC → (port, seen or None when configured)
        self.now = 0.0

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds):
        self.now += seconds

    @rule(mac=MACS, port=PORTS)
    def learn(self, mac, port):
        known = self.model.get(mac)
        moved = self.fdb.learn(mac, port, self.now)
        if known is None and len(self.model) >= ENTRIES_MAX:
            assert not moved
        elif known is None or known[1] is not None:
            assert moved == (known is not None and known[0] != port)
            self.model[mac] = port, self.now
        else:
            assert not moved

    @rule(mac=MACS, port=PORTS)
    def configure(self, mac, port):
        self.fdb.replace(mac, port)
        self.model[mac] = port, None

    @rule(port=PORTS)
    def forget(self, port):
        self.fdb.forget_port(port)
        self.model = {mac: known for mac, known in self.model.items() if known[0] != port}

    @rule()
    def expire(self):
        self.fdb.expire(self.now)
        self.model = {mac: each for mac, each in self.model.items() if self.alive(each)}

    def alive(self, known):
        return known[1] is None or self.now - known[1] < LIFETIME_S

    @rule(mac=MACS)
    def look_up(self, mac):
        known = self.model.get(mac)
        if known is not None and not self.alive(known):
            del self.model[mac]
            known = None
        assert self.fdb.lookup(mac, self.now) == (known and known[0])

    @invariant()
    def same_entries(self):
        listed = {mac: (port, learned) for mac, port, learned in self.fdb.entries()}
        assert listed == {mac: (port, seen is not None) for mac, (port, seen) in self.model.items()}


TestFdb = FdbMachine.TestCase
TestFdb.settings = settings(max_examples=60, stateful_step_count=30)
