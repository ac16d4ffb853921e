"""Signals of containers, as the standard library hands them out in a pod."""

from __future__ import annotations

import asyncio
import signal

import pytest

from podruntime.sandbox.owner import CURRENT, Owner

from .pods import TwoPods

pytestmark = pytest.mark.usefixtures("boundary")


def _owner() -> Owner:
    owner = CURRENT.get()
    assert owner is not None
    return owner


def test_handlers_are_the_containers_own():
    heard: list[object] = []

    async def scenario(pods: TwoPods) -> None:
        signals = _owner().signals
        before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
        assert before == signal.SIG_DFL
        assert callable(signal.getsignal(signal.SIGTERM))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert heard == [signal.SIGTERM]
        pods.loop.add_signal_handler(signal.SIGTERM, heard.append, "loop")
        assert signals.deliver(signal.SIGTERM)
        await asyncio.sleep(0)
        assert heard[1:] == ["loop"]
        assert pods.loop.remove_signal_handler(signal.SIGTERM)
        assert not pods.loop.remove_signal_handler(signal.SIGTERM)
        assert not signals.deliver(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # PID 1 without a handler: nothing happens.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signals.deliver(signal.SIGTERM), "ignoring is an answer, too"

    mine = signal.getsignal(signal.SIGTERM)
    TwoPods().run(scenario)
    assert signal.getsignal(signal.SIGTERM) == mine, "the process has its own"


def test_wrong_signals_raise_what_python_raises():
    async def scenario(pods: TwoPods) -> None:
        async def coroutine() -> None:
            return

        add = pods.loop.add_signal_handler
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            add(signal.SIGTERM, coroutine)
        with pytest.raises(TypeError, match="sig must be an int"):
            add("TERM", print)
        with pytest.raises(ValueError, match="invalid signal number"):
            add(12345, print)
        with pytest.raises(RuntimeError, match="cannot be caught"):
            add(signal.SIGKILL, print)
        with pytest.raises(OSError, match="Invalid argument"):
            signal.signal(signal.SIGKILL, print)
        with pytest.raises(TypeError, match="signal handler must be"):
            signal.signal(signal.SIGTERM, "handler")

    TwoPods().run(scenario)
