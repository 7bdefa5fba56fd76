"""``ravfeat ledger``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ravfeat.cli.terminal import aligned, echo

if TYPE_CHECKING:
    from ravfeat.ledger.file import Ledger
    from ravfeat.ledger.line import Line

__all__ = ["command"]

_SHOWN = 50
_FAULTS = 10
_TITLE = ("line", "time (UTC)", "what", "run", "clips", "protocol", "validation UAR", "test UAR", "plan")


@click.command("ledger")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("cache"))
@click.option("--all", "everything", is_flag=True, help=f"Show every line. [default: the last {_SHOWN}]")
def command(folder: Path, *, everything: bool) -> None:
    """Show what was tried on the clips of caches, and check that no line was changed or taken out.

    Every fit, every trial of a sweep and every reveal adds a line to ledger.jsonl beside the caches, such as
    cache/ravdess/ledger.jsonl; FOLDER is such a folder, one above it, or the file. A line holds the digest of the line
    before it. Ends with exit code 1 where the chain is broken.

    It does not show what was tried with --no-ledger, on other machines, or before a ledger was taken away whole.

    \b
    ravfeat ledger
    ravfeat ledger cache/ravdess --all
    """  # noqa: D301
    from ravfeat.errors import CacheError
    from ravfeat.ledger.file import LEDGER_FILE, read_ledger

    path = folder / LEDGER_FILE if folder.is_dir() else folder
    paths = sorted(folder.glob(f"**/{LEDGER_FILE}")) if folder.is_dir() and not path.exists() else [path]
    if not paths:
        raise CacheError(
            f"no {LEDGER_FILE} at or below {folder}; 'ravfeat fit-heads' keeps one beside the caches it reads"
        )
    ledgers = [read_ledger(each) for each in paths]
    for ledger in ledgers:
        _show(ledger, shown=len(ledger.lines) if everything else _SHOWN)
    if broken := [ledger for ledger in ledgers if ledger.faults]:
        raise CacheError(
            f"the chain of {' and '.join(str(ledger.path) for ledger in broken)} is broken: what was tried cannot be"
            " counted from it; put it back as it was, if there is a copy"
        )


def _show(ledger: "Ledger", shown: int) -> None:
    n, plans = len(ledger.lines), len({line.plan for line in ledger.lines})
    echo(f"{ledger.path}: {n} line{'s' * (n != 1)}, {plans} plan{'s' * (plans != 1)}")
    rows = list(_rows(ledger.lines))
    if len(rows) > shown:
        echo(f"the last {shown} lines; --all shows the others")
    echo("\n".join(aligned([_TITLE, *rows[max(0, len(rows) - shown) :]])))
    for line in ledger.lines:
        if line.dropped_bytes:
            echo(f"before line {line.number}, {line.dropped_bytes} bytes of a line that was never whole were dropped")
    if ledger.torn_bytes:
        echo(f"the last {ledger.torn_bytes} bytes are a line that was never whole; the next try drops them")
    for fault in ledger.faults[:_FAULTS]:
        echo(f"BROKEN: {fault}")
    if len(ledger.faults) > _FAULTS:
        echo(f"BROKEN: and {len(ledger.faults) - _FAULTS} more lines")
    if not ledger.faults:
        echo(f"chain whole: line {n} holds the digest of all before it" if n else "no line")


def _rows(lines: "tuple[Line, ...]") -> Iterator[tuple[str, ...]]:
    first: dict[tuple[str, bool], int] = {}
    for line in lines:
        earlier = first.setdefault((line.plan, line.is_tested), line.number)
        plan = line.plan[:12] if earlier == line.number else f"{line.plan[:12]}, as line {earlier}"
        yield (
            str(line.number),
            line.time.removesuffix("Z").replace("T", " "),
            line.kind,
            line.run,
            f"{line.n_clips} ({line.clips[:6]})",
            f"{line.protocol}{' LEAKY' * line.leaky}",
            _uar(scores.val_uar for scores in line.systems),
            _uar(scores.test_uar for scores in line.systems),
            plan,
        )


def _uar(scores: "Iterator[float | None]") -> str:
    """Give the highest of several systems, and of how many."""
    known = [uar for uar in scores if uar is not None]
    if not known:
        return "-"
    return f"{max(known):.3f}{f' (best of {len(known)})' if len(known) > 1 else ''}"
