"""``ravfeat audit``."""

import sys
import textwrap
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.audit import Audit

__all__ = ["command"]

_WIDTH = 118


@click.command("audit")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache of the run that was moved, or a folder of such caches; repeat for more.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Do not train the run's heads again.")
@click.option(
    "--without-caches", is_flag=True, help="Go on where a cache is gone; checks that need it are not possible."
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or auto.")
def command(
    runs: tuple[Path, ...],
    caches: tuple[Path, ...],
    device: str,
    *,
    quick: bool,
    without_caches: bool,
) -> None:
    """Try to break the numbers of finished runs; exit code 1 where one is broken.

    The audit looks for actors (speakers), performances and recordings that are both trained and tested on; trains
    heads, temperatures and fusion weights again and compares; runs the saved heads; permutes labels; and measures how
    much of a number is knowing actors and sentences. Every check has a verdict: pass, leak, edited (the run or its
    caches are not what they were), info, warn, or not possible. The evidence goes into audit.json in the run's folder,
    and 'ravfeat report' shows it.

    \b
    ravfeat audit runs/a
    ravfeat audit runs/a --quick
    ravfeat audit runs/a --cache /mnt/elsewhere/cache
    """  # noqa: D301
    from ravfeat.audit import audit_run, write_audit
    from ravfeat.encoders.device import resolve_device

    broken = False
    for run in runs:
        started = perf_counter()
        audit = audit_run(run, caches=caches, device=resolve_device(device), quick=quick, without_caches=without_caches)
        path = write_audit(audit)
        _show(audit)
        echo(f"{path}: {_count(audit)}, in {perf_counter() - started:.1f} s")
        broken = broken or bool(audit.broken)
    if broken:
        sys.exit(1)


def _show(audit: "Audit") -> None:
    """Print a block per line: verdict and check, then the finding, indented."""
    echo(f"audit of {audit.path}")
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
