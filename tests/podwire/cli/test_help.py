"""Every command says what it does in one line, and shows how it is typed."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from podwire.cli import root

WIDTH = 80


def commands(group: click.Group, typed: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=typed)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{typed} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{typed} {name}")


EVERY = dict(commands(root, "podwire"))


@pytest.mark.parametrize("typed", EVERY)
def test_every_command_has_an_example(typed):
    text = EVERY[typed].get_help(click.Context(EVERY[typed], info_name=typed))
    assert "Example" in text
    assert text.count(typed) >= 2, "the usage and the example"


@pytest.mark.parametrize("typed", EVERY)
def test_every_option_says_what_it_is_for(typed):
    options = [each for each in EVERY[typed].params if isinstance(each, click.Option)]
    assert not [option.name for option in options if not option.help]


def test_no_summary_is_cut():
    for group in (root, *(each for each in EVERY.values() if isinstance(each, click.Group))):
        context = click.Context(group, info_name="podwire", max_content_width=WIDTH)
        assert "..." not in group.get_help(context).replace("[ARGS]...", "")
