"""Random walks: whatever the order of news, looks and deaths, the end is the same.

A `Walk` has real controllers on an API in memory. Steps show them some news, let one of them look,
let the process die at its next write or the one after, let users and nodes do what they do. In the
end all is seen and done, until a whole round writes nothing: that is the fixed point, and each
walk says what must hold there.
"""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import Phase, settings
from hypothesis import strategies as st
from memory_api import Crash, MemoryApi

from kubeapi.status import StatusError

ROUNDS_MAX = 80
#: A walk that fails is made shorter until it tells what matters, which may take five minutes; for
#: one failure, and without saying which of its numbers do not matter, it is a fraction of that.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def walks(count, **more):
    """Return the settings of *count* walks: the same ones every time."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=PHASES,
        **more,
    )


class Walk:
    """Controllers, by the resource whose keys they reconcile; made anew when they die."""

    #: (resource, factory): who looks at what.
    controllers = ()
    #: How much time a round of the end takes: longer than whatever is waited for.
    round_s = 400.0

    def __init__(self):
        self.api = MemoryApi()
        self.begin()

    def begin(self):
        """Let a new process take over, which knows what is there and nothing else."""
        self.api.forget_caches()
        self.running = [(resource, factory(self.api)) for resource, factory in self.controllers]

    async def look(self, number):
        """Let one controller look at everything that it could look at."""
        resource, controller = self.running[number % len(self.running)]
        for key in self.keys(resource, controller):
            try:
                with contextlib.suppress(StatusError):  # Refused or late: it is tried again.
                    await controller._reconcile(key)
            except Crash:
                self.begin()
                return

    def keys(self, resource, controller):
        """Return what *controller* may look at, also what its cache still has."""
        return sorted({*self.api.store(resource), *self.api.informer(resource)._items})

    def tend(self):
        """Do as nodes do in a round of the end."""

    def check_always(self):
        """Assert what holds after every step."""

    async def settle(self):
        """See and do everything until a whole round changes nothing."""
        self.api.crash_in = None
        for _ in range(ROUNDS_MAX):
            before = self.api.revision
            self.tend()
            for number in range(len(self.running)):
                self.api.deliver()
                await self.look(number)
            self.api.deliver()
            self.check_always()
            self.api.now += self.round_s
            if self.api.revision == before:
                return
        raise AssertionError("it never comes to rest")

    async def walk(self, steps):
        for name, number in steps:
            if name == "look":
                await self.look(number)
            elif name == "news":
                informers = list(self.api.informers)
                self.api.deliver(informers[number % len(informers)], 1 + number // 8)
            elif name == "news of all":
                self.api.deliver()
            elif name == "die":
                self.api.crash_in = number % 4
            elif name == "time":
                self.api.now += number
            else:
                getattr(self, name)(number)
            self.check_always()
        await self.settle()


def steps(*names):
    """Return walks of looks, news, deaths and of the *names* of what else happens."""
    every = (*["look"] * 5, "news", "news", "news of all", "news of all", "die", "time", *names)
    return st.lists(st.tuples(st.sampled_from(every), st.integers(0, 40)), min_size=15, max_size=60)


def nth(items, number):
    """Return one of *items*, None where there are none."""
    found = sorted(items, key=lambda obj: obj["metadata"]["name"])
    return found[number % len(found)] if found else None


def run(walk, taken):
    asyncio.run(walk.walk(taken))
    return walk
