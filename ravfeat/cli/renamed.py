"""Renamed options: the old name works until a version that is named, with a deprecation note on stderr."""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

__all__ = ["RenamedOption"]


class RenamedOption(click.Option):
    """An option whose old name is accepted, and not shown in the help.

    Parameters
    ----------
    formerly : str
        The old name, such as ``--join``.
    removed_in : str
        The version that will no longer take it.

    Examples
    --------
    >>> @click.command()
    ... @click.option("--concat", multiple=True, cls=RenamedOption, formerly="--join")
    ... def command(concat):
    ...     click.echo(concat)
    >>> command.main(["--join", "a,b"], standalone_mode=False)
    ('a,b',)
    """

    def __init__(self, *args: Any, formerly: str, removed_in: str = "0.2", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.formerly = formerly
        self.removed_in = removed_in

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser store the old name's value by itself: under one name nobody could tell the two."""
        super().add_to_parser(parser, ctx)
        action = "append" if self.multiple else "store"
        parser.add_option(obj=self, opts=[self.formerly], dest=self.formerly, action=action, nargs=self.nargs)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Take the value of either name.

        Raises
        ------
        click.UsageError
            Where both are given.
        """
        if self.formerly not in opts:
            return super().consume_value(ctx, opts)
        new = self.opts[0]
        if self.name in opts:
            raise click.UsageError(f"{self.formerly} is the old name of {new}: give {new} only", ctx)
        click.echo(f"DEPRECATED {self.formerly} is now {new}; version {self.removed_in} removes the old name", err=True)
        return opts[self.formerly], ParameterSource.COMMANDLINE
