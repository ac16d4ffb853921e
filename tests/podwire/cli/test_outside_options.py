"""What `podwire up` is told about the world outside."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from podwire.cli.outside_options import OutsideWish, outside_options, parsed
from podwire.cluster.layout import UsageError


@click.command()
@outside_options
def told(outside_wish: OutsideWish) -> None:
    click.echo([(each.name, each.number) for each in outside_wish.services])
    click.echo(outside_wish.any_port)
    click.echo(outside_wish.non_masquerade_cidrs)


def test_options_become_one_wish():
    words = "--outside a=127.0.0.1:1 --outside b=127.0.0.1:2/udp --non-masquerade-cidr 10.0.0.0/8"
    done = CliRunner().invoke(told, words.split())
    assert done.output == "[('a', 1), ('b', 2)]\nFalse\n('10.0.0.0/8',)\n"
    assert CliRunner().invoke(told, ["--outside-any"]).output == "[]\nTrue\n()\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--outside", "a=192.0.2.1:80"], "leaves this machine's loopback"),
        (["--non-masquerade-cidr", "10.0.0.1/8"], "write 10.0.0.0/8"),
        (["--non-masquerade-cidr", "all"], "write 10.0.0.0/8"),
    ],
)
def test_nonsense_is_refused(words, why):
    done = CliRunner().invoke(told, words)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_one_port_has_one_target():
    with pytest.raises(UsageError, match="a:1 is mapped twice"):
        parsed(("a=127.0.0.1:1", "a:1=127.0.0.1:2"))
