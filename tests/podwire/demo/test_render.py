"""What the demo prints."""

from __future__ import annotations

from rich.console import Console

from podwire.demo import render
from podwire.demo.render import Second


def printed(renderable) -> list[str]:
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_single_failed_request_is_still_seen() -> None:
    seconds = [Second(100, 0), Second(99, 1), Second(0, 100), Second(0, 0)]
    ok, failed, marks = printed(render.traffic(seconds, 1.0))
    assert ok == "  ok     ██"
    assert failed == "  failed  ▁█"
    assert marks.index("▲") == len("  failed ") + 1


def test_no_traffic_is_no_error() -> None:
    assert printed(render.traffic([], 0.0))


def test_the_summary_lines_up() -> None:
    assert printed(render.summary([("requests", "5"), ("failed", "1")])) == [
        "  requests  5",
        "  failed    1",
    ]
