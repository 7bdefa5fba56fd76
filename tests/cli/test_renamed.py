"""Options under their old names: the same effect, a note on stderr, and nothing in the help."""

import click
import pytest
from click.testing import CliRunner, Result

from ravfeat.cli import group
from ravfeat.cli.renamed import RenamedOption


@click.command()
@click.option("--concat", cls=RenamedOption, formerly="--join", multiple=True)
@click.option(
    "--fusion", "rule", cls=RenamedOption, formerly="--rule", type=click.Choice(["auto", "none"]), default="auto"
)
def command(concat: tuple[str, ...], rule: str) -> None:
    """Print the values and where they come from."""
    source = click.get_current_context().get_parameter_source("rule")
    click.echo(f"{concat} {rule} {source is click.core.ParameterSource.COMMANDLINE}")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_the_new_name_gives_no_note() -> None:
    done = call("--concat", "a,b", "--fusion", "none")
    assert (done.stdout, done.stderr) == ("('a,b',) none True\n", "")


def test_the_old_name_does_the_same_and_says_the_new_one() -> None:
    done = call("--join", "a,b", "--join=c,d", "--rule", "none")
    assert done.stdout == "('a,b', 'c,d') none True\n"
    assert done.stderr.splitlines() == [
        "DEPRECATED --join is now --concat; version 0.2 removes the old name",
        "DEPRECATED --rule is now --fusion; version 0.2 removes the old name",
    ]


def test_neither_name_gives_the_default() -> None:
    assert call().output == "() auto False\n"


def test_both_names_are_refused() -> None:
    done = call("--join", "a,b", "--concat", "c,d")
    assert done.exit_code == 2
    assert "--join is the old name of --concat: give --concat only" in done.stderr


def test_a_wrong_value_is_refused_under_the_new_name() -> None:
    done = call("--rule", "some")
    assert done.exit_code == 2
    assert "Invalid value for '--fusion'" in done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fit-heads", "--join", "--concat"), ("fit-heads", "--rule", "--fusion"), ("fit-heads", "--map", "--label-map"),
        ("compare-splits", "--join", "--concat"), ("fuse", "--rule", "--fusion"),
    ],
)  # fmt: skip
def test_commands_take_both_names_and_show_the_new_one(name: str, old: str, new: str) -> None:
    shown = CliRunner().invoke(group, [name, "--help"]).stdout
    assert f" {new} " in shown
    assert f" {old} " not in shown
    refused = CliRunner().invoke(group, [name, old, "auto", new, "auto"]).stderr
    assert f"{old} is the old name of {new}" in refused
