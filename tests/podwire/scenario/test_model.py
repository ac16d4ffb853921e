"""A scenario file is understood, or refused with the place of its error before anything is done."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from podwire.cluster.layout import UsageError
from podwire.scenario import model
from podwire.scenario.commands import check
from podwire.scenario.model import Scenario
from podwire.scenario.run import SHIPPED

GOOD = """
name: test
pick: {victim: [node-2, node-3, node-4, node-5]}
load: [{url: "http://node-1:30080/"}]
steps:
  - {at: 2s, do: [node start $victim]}
  - at: 500ms
    repeat: {times: 3, every: 1s}
    do: [node kill $victim]
    expect: [$victim NotReady within 8s]
expect: [no request fails]
"""


def read(directory: Path, text: str, seed: int | None = None) -> Scenario:
    path = directory / "scenario.yaml"
    path.write_text(text)
    return model.read(path, lambda _words: None, seed=seed)


def test_steps_come_in_order_of_time_and_repeat(tmp_path: Path) -> None:
    scenario = read(tmp_path, GOOD)

    assert [step.at_s for step in scenario.steps] == [0.5, 1.5, 2.0, 2.5]
    victim = scenario.picked["victim"]
    assert scenario.steps[0].commands == (("node", "kill", victim),)
    assert scenario.steps[0].expected[0].text == f"{victim} NotReady within 8s"


def test_the_same_seed_chooses_the_same(tmp_path: Path) -> None:
    chosen = [read(tmp_path, GOOD, seed).picked["victim"] for seed in range(40)]

    assert chosen == [read(tmp_path, GOOD, seed).picked["victim"] for seed in range(40)]
    assert len(set(chosen)) == 4


CHAOS = """
name: test
steps:
  - at: 1s
    repeat: {times: 30, every: 1s}
    pick: {any: [scheduler, apiserver, fabric]}
    do: [process kill $any, process start $any]
"""


def test_what_a_step_picks_is_chosen_anew_each_time_and_again_with_the_seed(tmp_path: Path) -> None:
    played = read(tmp_path, CHAOS, 7)

    victims = [step.commands[0][2] for step in played.steps]
    assert set(victims) == {"scheduler", "apiserver", "fabric"}
    assert [step.commands[1][2] for step in played.steps] == victims, "one choice for one time"
    assert read(tmp_path, CHAOS, 7).steps == played.steps
    assert read(tmp_path, CHAOS, 8).steps != played.steps


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("name: test", "name: [test]"), r"Expected `str`, got `array` - at `\$.name`"),
        (("name: test", "nam: test"), "unknown field `nam`"),
        (("at: 2s", "at: later"), r"steps\[0\].at: 'later' is no duration"),
        (("at: 2s", "at: -2s"), r"steps\[0\].at: '-2s' is no duration"),
        (("at: 2s, do", "at: 2s, doo"), r"unknown field `doo` - at `\$.steps\[0\]`"),
        (("at: 2s, do: [node start $victim]", "at: 2s"), r"steps\[0\]: it neither does nor"),
        (("$victim NotReady", "$other NotReady"), "'other' was not picked"),
        (("kill $victim", "kill $"), "a . that is no .NAME is written"),
        (("every: 1s}", "every: 1s}\n    pick: {x: []}"), r"steps\[1\].pick.x: there is nothing"),
        (("within 8s", "within a while"), r"steps\[1\].expect: .* is no expectation"),
        (("times: 3", "times: 0"), r"steps\[1\].repeat.times: 1 to"),
        (("times: 3", "times: 5000"), r"steps\[1\].repeat.times: 1 to"),
        (("times: 3", "times: 1000"), "too many; at most 1000"),
        (("[no request fails]", "[node-1 Ready within 3s]"), "counts from a step"),
        (("[$victim NotReady within 8s]", "[no request fails]"), "is judged at the end"),
        (('load: [{url: "http://node-1:30080/"}]', ""), "needs a `load`"),
        (('30080/"}', '30080/", rate: 100000}'), r"load\[0\].rate"),
        (('30080/"}', '30080/", timeout: long}'), r"load\[0\].timeout"),
        (("[node-2, node-3, node-4, node-5]", "[]"), "pick.victim: there is nothing"),
        (("steps:", "apply: [missing.yaml]\nsteps:"), "there is no file .*missing.yaml"),
        (("[node start $victim]", '["node start \\"x"]'), "No closing quotation"),
        ((GOOD, "name: test\nsteps: []"), "steps: there are none"),
        ((GOOD, "- just\n- a list"), "Expected `object`, got `array`"),
        ((GOOD, "name: [unclosed"), "while parsing a flow sequence"),
        ((GOOD, ""), "Expected `object`, got `null`"),
    ],
)
def test_a_file_that_makes_no_sense_says_where(
    tmp_path: Path, change: tuple[str, str], place: str
) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD

    with pytest.raises(UsageError, match=place) as refused:
        read(tmp_path, text)
    assert "scenario.yaml" in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        model.read(tmp_path / "none.yaml", lambda _words: None)


def test_a_command_that_is_refused_says_in_which_step(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(GOOD)

    def refuse(words: Sequence[str]) -> None:
        raise UsageError(f"not {words[1]}")

    with pytest.raises(UsageError, match=r"steps\[0\].do: 'node start \$victim': not start"):
        model.read(tmp_path / "scenario.yaml", refuse)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("[!_]*.yaml")), ids=lambda path: path.stem)
def test_the_scenarios_that_ship_make_sense(path: Path) -> None:
    scenario = model.read(path, check)

    assert scenario.about
    assert scenario.expected
