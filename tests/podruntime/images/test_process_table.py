"""Numbers of processes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podruntime.images.process_table import INIT, ProcessTable, Task


def task(name: str) -> Task:
    return Task((f"/bin/{name}", "-x"), lambda _number: None)


def test_the_first_is_pid_1_and_nobody_after_it():
    table = ProcessTable()
    assert table.enter(task("sh")) == INIT
    second = table.enter(task("sleep"))
    assert second > 100, "lower ones are a shell's own"
    table.leave(INIT)
    assert table.enter(task("ps")) == second + 1
    assert table.find(INIT) is None
    assert [(number, each.name) for number, each in table] == [
        (second, "sleep"),
        (second + 1, "ps"),
    ]


@given(st.lists(st.booleans(), max_size=60))
def test_everybody_has_a_number_of_its_own(steps):
    table, alive = ProcessTable(), []
    for enters in steps:
        if enters or not alive:
            number = table.enter(task("x"))
            assert number not in alive
            assert table.next not in (number, *alive)
            alive.append(number)
        else:
            table.leave(alive.pop(0))
    assert [number for number, _ in table] == sorted(alive)


def test_numbers_come_round_again():
    table = ProcessTable()
    table.enter(task("init"))
    for _ in range(32_768):
        number = table.enter(task("x"))
        table.leave(number)
    assert 100 < number <= 32_768
