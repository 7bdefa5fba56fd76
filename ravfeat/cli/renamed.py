"""Renamed options: the old spelling works for one more version, with a deprecation note on stderr."""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

__all__ = ["RenamedOption"]


class RenamedOption(click.Option):
    """An option whose old spelling is accepted, and not shown in the help.

    Parameters
    ----------
    formerly : str
        The old spelling, such as ``--join``.

    Examples
    --------
    >>> @click.command()
    ... @click.option("--concat", multiple=True, cls=RenamedOption, formerly="--join")
    ... def command(concat):
    ...     click.echo(concat)
    >>> command.main(["--join", "a,b"], standalone_mode=False)
    ('a,b',)
    """

    def __init__(self, *args: Any, formerly: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.formerly = formerly

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser keep what the old spelling gives apart: under one name nobody could tell the two."""
        super().add_to_parser(parser, ctx)
        action = "append" if self.multiple else "store"
        parser.add_option(obj=self, opts=[self.formerly], dest=self.formerly, action=action, nargs=self.nargs)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Take the value of either spelling.

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
        click.echo(f"DEPRECATED {self.formerly} is now {new}; the old name stops working in the next version", err=True)
        return opts[self.formerly], ParameterSource.COMMANDLINE
