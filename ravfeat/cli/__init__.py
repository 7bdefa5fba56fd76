"""Command line ``ravfeat``: one module per command, imported when it is called."""

import logging
import shlex
import signal
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ravfeat.cli.errors import reporting
from ravfeat.cli.log import start_logging
from ravfeat.escape import printable

__all__ = ["command_line", "main"]

_COMMAND_LINE = "ravfeat.command_line"

COMMANDS = {
    "audit": ("ravfeat.cli.audit", "Try to break the numbers of finished runs."),
    "cache": ("ravfeat.cli.cache", "Inspect, verify, shrink and import caches."),
    "compare-splits": ("ravfeat.cli.compare_splits", "Compare an actor split with the LEAKY clip split."),
    "demo": ("ravfeat.cli.demo", "Record or upload speech on a page, and see the answer."),
    "doctor": ("ravfeat.cli.doctor", "Show what this machine has and what extract would use."),
    "download": ("ravfeat.cli.download", "Fetch RAVDESS from Zenodo, checksummed."),
    "explore": ("ravfeat.cli.explore", "Look at a corpus before any head is trained."),
    "export-heads": ("ravfeat.cli.export_heads", "Publish the heads of a run in one folder."),
    "extract": ("ravfeat.cli.extract", "Run frozen encoders once over a corpus."),
    "fine-tune": ("ravfeat.cli.fine_tune", "Train an encoder's top layers too (a control)."),
    "fit-heads": ("ravfeat.cli.fit_heads", "Train small heads on caches, predict, score."),
    "fuse": ("ravfeat.cli.fuse", "Calibrate and fuse scores of any program."),
    "heads": ("ravfeat.cli.heads", "Publish heads, and fetch published ones."),
    "importance": ("ravfeat.cli.importance", "Say which layers and features a run's heads decide by."),
    "ledger": ("ravfeat.cli.ledger", "Show what was tried on the clips of caches."),
    "list": ("ravfeat.cli.list", "List encoders, heads, corpora and protocols."),
    "reproduce": ("ravfeat.cli.reproduce", "Reproduce the study, published beside measured."),
    "predict": ("ravfeat.cli.predict", "Predict the emotions of recordings."),
    "report": ("ravfeat.cli.report", "Make the report of finished runs, one HTML page."),
    "stress": ("ravfeat.cli.stress", "Score a run's heads on changed test recordings."),
    "sweep": ("ravfeat.cli.sweep", "Rank many plans by validation, test the winner once."),
}


class LazyGroup(click.Group):
    """Commands whose modules are imported when they are called, so that ``--help`` is instant."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Keep the command line for `command_line`; parsing it uses the list up."""
        line = shlex.join(["ravfeat", *args])
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[_COMMAND_LINE] = line
        return context

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


def command_line() -> str | None:
    """Give the command line that is being run, for the record; None where a command is called by itself from Python."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_COMMAND_LINE)


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's signature)
    if value and not ctx.resilient_parsing:
        from ravfeat import __version__

        click.echo(f"ravfeat {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", count=True, help="Log progress; twice for everything.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write messages and progress, with the time, to the end of this file: a line a minute, or every"
              " RAVFEAT_PROGRESS_S seconds (0: none).")  # fmt: skip
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def group(verbose: int, log: Path | None) -> None:
    """Encode a corpus once, train emotion heads in seconds, score them on actors (speakers) they never met.

    \b
    ravfeat doctor                              what this machine has, and what to install
    ravfeat list corpora                        what can be read, and how else it can be named
    ravfeat download ravdess                    fetch the speech recordings into data/ravdess
    ravfeat explore --corpus ravdess            look at it: counts, doubts, sound, copies
    ravfeat extract --device cuda               encode data/ravdess with WavLM-large into cache/
    ravfeat cache verify cache                  check the caches against their checksums
    ravfeat fit-heads --seeds 3 --out runs/a    train heads, predict the test folds, score
    ravfeat sweep plan.toml                     rank many plans by validation, test the winner once
    ravfeat fuse --scores a.csv --scores b.csv  calibrate and fuse scores of any program
    ravfeat compare-splits                      measure the gain of knowing the actors
    ravfeat export-heads runs/a --to heads/a    publish the heads, to predict with them elsewhere
    ravfeat heads publish heads/a --to hf://…   put them on the Hugging Face hub, with a card
    ravfeat demo heads/a                        record speech on a page, and see the answer
    ravfeat audit runs/a                        try to break the numbers
    ravfeat importance runs/a                   which layers, statistics, features the heads decide by
    ravfeat stress runs/a --data data/ravdess   the heads on noise, telephone, mp3, reverberation
    ravfeat ledger                              what was tried on these clips, and how often
    ravfeat report runs/a                       tables and figures, one HTML page
    ravfeat reproduce                           every published row beside the one measured here

    \b
    Without recordings, on a generated corpus:
    ravfeat extract --corpus synth --encoder logmel

    \b
    A job of hours, with a line a minute in a file:
    ravfeat --log wavlm.log extract --device cuda
    """  # noqa: D301 (\b is click's mark for text that is not to be rewrapped)
    start_logging(verbose, log)
    logging.getLogger(__name__).info("%s", command_line())


_plain_warning = warnings.formatwarning


def _format_warning(*args: Any, **kwargs: Any) -> str:
    return printable(_plain_warning(*args, **kwargs), lines=True)


def main() -> None:
    """Run the command line; every error made for the user ends in one message and an exit code."""
    # What a scheduler sends before it kills; it ends a command as tidily as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.formatwarning = _format_warning
    with reporting():
        group.main(prog_name="ravfeat", standalone_mode=False)
