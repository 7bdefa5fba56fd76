"""``ravfeat audit``."""

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.observer import TerminalObserver
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.audit import Audit

__all__ = ["command"]

_WIDTH = 118


@click.command("audit")
@click.argument("runs", metavar="RUN|ADDRESS...", nargs=-1, required=True)
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache of the run that was moved, or a folder of such caches; repeat for more.")  # fmt: skip
@click.option("--head", "heads", multiple=True, metavar="PATH.py:NAME",
              help="Run the code of a head of your own, as fit-heads did; only while it has not changed. Without it,"
              " checks that need it are not possible.")  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path), multiple=True,
              help="Where the recordings lie, as 'ravfeat extract' was told: the sound of the two sides of every fold"
              " is compared, too; repeat for more. [default: ., data/CORPUS, if they are there]")  # fmt: skip
@click.option("--quick", is_flag=True, help="Do not train the run's heads again; the summary says what that left out.")
@click.option("--strict", is_flag=True, help="End with exit code 1 also where something could not be tried.")
@click.option(
    "--without-caches", is_flag=True, help="Go on where a cache is gone; checks that need it are not possible."
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or auto.")
def command(*, strict: bool, **options: Any) -> None:
    """Try to break the numbers of finished runs; exit code 0: held, 1: broken, 4: held as far as could be tried.

    The audit looks for actors (speakers), performances and recordings that are both trained and tested on; trains
    heads, temperatures and fusion weights again and compares; runs the saved heads; permutes labels; and measures how
    much of a number is knowing actors and sentences. Every check has a verdict: pass, leak, edited (the run or its
    caches are not what they were), info, warn, or not possible. A number held as far as could be tried where features
    were made elsewhere, there are only scores, or something was left out or warned of. Of several runs the worst
    decides. The evidence goes into audit.json in the run's folder, and 'ravfeat report' shows it.

    Of a published cache or head (an address, or its folder) digests, clips, card, encoder and terms are looked at; no
    number of it can be judged, and nothing is written.

    \b
    ravfeat audit runs/a
    ravfeat audit runs/a --quick
    ravfeat audit runs/a runs/b --strict
    ravfeat audit runs/a --data data/ravdess
    ravfeat audit runs/a --cache /mnt/elsewhere/cache
    ravfeat audit runs/mine --head mine.py:SVC
    ravfeat audit hf://datasets/USER/NAME hf://USER/HEAD
    ravfeat audit https://example.org/heads/voice
    """  # noqa: D301
    from ravfeat.api.audit import audit
    from ravfeat.runs.outcome import EXIT_CODES, worst

    code = EXIT_CODES[worst(found.outcome for found in audit(**options, observer=_Terminal(command_line())))]
    sys.exit(1 if strict and code else code)


class _Terminal(TerminalObserver):
    def audited(self, audit: "Audit", path: Path | None, seconds: float) -> None:
        """Print what was found, and where it is written; nowhere for what is published."""
        _show(audit)
        echo(f"{path or audit.path}: {_count(audit)}, in {seconds:.1f} s")


def _show(audit: "Audit") -> None:
    """Print a block per line: verdict and check, then the finding, indented."""
    echo(f"audit of {audit.path}")
    if audit.task:
        task, *changed = audit.task
        more = f"; not the corpus's own task: {'; '.join(changed)}" if changed else ""
        echo(f"{task}{more}")
    for line in audit.lines:
        subject = f" · {line.subject}" if line.subject else ""
        echo(f"{line.verdict.upper() if line in audit.broken else line.verdict:<13} {line.check}{subject}")
        indent = " " * 14
        echo(
            textwrap.fill(
                line.finding, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False,
            )
        )  # fmt: skip


def _count(audit: "Audit") -> str:
    counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(audit.counts.items()))
    return f"{audit.summary} ({counts}{'; quick' if audit.quick else ''})"
