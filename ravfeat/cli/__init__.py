"""The command line: one file per noun or verb, loaded when it is used."""

import logging
import signal
import sys
from importlib import import_module

import click

from ravfeat.cli.errors import reporting

__all__ = ["main"]

COMMANDS = {
    "audit": ("ravfeat.cli.audit", "Try to break the numbers of finished runs."),
    "cache": ("ravfeat.cli.cache", "Look into caches, check them, bring in features."),
    "compare-splits": ("ravfeat.cli.compare_splits", "One head on an actor split and on the LEAKY clip split."),
    "download": ("ravfeat.cli.download", "Fetch RAVDESS from Zenodo, checksummed."),
    "export-heads": ("ravfeat.cli.export_heads", "Publish the heads of a run in one folder."),
    "extract": ("ravfeat.cli.extract", "Run a frozen encoder once over a corpus."),
    "fine-tune": ("ravfeat.cli.fine_tune", "Train an encoder's top layers too (control)."),
    "fit-heads": ("ravfeat.cli.fit_heads", "Train and score small heads on a cache."),
    "fuse": ("ravfeat.cli.fuse", "Calibrate and fuse scores, those made elsewhere too."),
    "reproduce": ("ravfeat.cli.reproduce", "The study row by row: published beside measured."),
    "report": ("ravfeat.cli.report", "Make the report of one or several runs."),
}


class LazyGroup(click.Group):
    """Commands whose modules are imported when they are called, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's signature)
    if value and not ctx.resilient_parsing:
        from ravfeat import __version__

        click.echo(f"ravfeat {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", count=True, help="Say more of what is being done; twice for everything.")
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def group(verbose: int) -> None:
    """Encode a corpus once, train emotion heads in seconds, score them on actors they never met.

    \b
    ravfeat download ravdess                    speech recordings from Zenodo into data/ravdess
    ravfeat extract --device cuda               data/ravdess through WavLM-large into cache/
    ravfeat cache verify cache                  every bit still in its place?
    ravfeat fit-heads --seeds 3 --out runs/a    heads on the folds of ravdess6
    ravfeat fuse --scores a.csv --scores b.csv  scores that any program made, calibrated and mixed
    ravfeat compare-splits                      how much of a number is knowing the actors?
    ravfeat export-heads runs/a --to heads/a    heads that give the run's probabilities back
    ravfeat audit runs/a                        does the number hold?
    ravfeat report runs/a                       tables and figures, one HTML page
    ravfeat reproduce                           every published row, beside what comes out here
    """  # noqa: D301 (\b is click's mark for text that is not to be rewrapped)
    levels = [logging.WARNING, logging.INFO, logging.DEBUG]
    # Our own logger only: libraries that print their messages themselves would print them twice.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.getLogger("ravfeat")
    log.handlers[:] = [handler]
    log.setLevel(levels[min(verbose, 2)])


def main() -> None:
    """Run the command line; every error made for the user ends in one message and an exit code."""
    # What a scheduler sends before it kills; it ends a command as tidily as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with reporting():
        group.main(prog_name="ravfeat", standalone_mode=False)
