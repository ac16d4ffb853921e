"""Code that is called lies side by side, and does what it did."""

from __future__ import annotations

from componentbase import hot_code


class Robot:
    def __init__(self, step: int) -> None:
        self._at, self._step = 0, step

    @property
    def at(self) -> int:
        return self._at

    def walk(self) -> list[int]:
        walked = [self._advance() for _ in range(3)]
        return sorted(walked, key=lambda where: -where)

    def _advance(self) -> int:
        self._at += self._step
        return self._at

    @classmethod
    def make(cls) -> Robot:
        return cls(Robot.length())

    @staticmethod
    def length() -> int:
        return 2

    def never(self) -> None:
        raise AssertionError


def life() -> None:
    robot = Robot.make()
    robot.walk()
    assert robot.at == 6


def names_here(names: hot_code.Names) -> list[str]:
    return [qualified for module, qualified in names if module == __name__]


def test_life_tells_what_it_calls_in_order():
    assert [name for name in names_here(hot_code.called(life)) if "<" not in name] == [
        "life",
        "Robot.make",
        "Robot.length",
        "Robot.__init__",
        "Robot.walk",
        "Robot._advance",
        "Robot.at",
    ]


def test_life_in_a_fork_is_told_and_leaves_nothing():
    lived = []

    def once() -> None:
        lived.append(Robot.make())

    names = hot_code.called_in_fork(once)
    assert "Robot.__init__" in names_here(names)
    assert lived == []


def test_life_that_fails_in_a_fork_tells_nothing():
    assert hot_code.called_in_fork(lambda: Robot(1).never()) == {}


def test_gathered_functions_have_code_of_their_own_and_do_the_same():
    before = {name: vars(Robot)[name] for name in ("walk", "_advance", "never")}
    codes = {name: function.__code__ for name, function in before.items()}
    moved = hot_code.gather(hot_code.called(life))
    assert moved >= 7
    assert {name: vars(Robot)[name] for name in before} == before
    assert before["walk"].__code__ is not codes["walk"]
    assert before["walk"].__code__ == codes["walk"]
    assert before["never"].__code__ is codes["never"]
    life()


def test_gathering_what_is_not_there_moves_nothing():
    assert hot_code.gather({("no.such.module", "f"): None, (__name__, "Robot.gone"): None}) == 0
