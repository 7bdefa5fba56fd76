"""Run every command and snippet that the pages show, and compare what it prints with what the page says.

``python -m docs.snippets`` runs README.md in one empty folder, then all pages of ``docs/`` in another, in the order of
`PAGES`: a page may use what earlier pages made. ``--write`` replaces the shown outputs by new ones.

Conventions
-----------
A ``console`` block holds lines that start with ``$``, and what they print; a ``python`` block may be followed by a
``text`` block with what it prints. A line that is only ``…`` stands for any number of lines. Blocks without output
may print anything. A Python block whose first line is ``# NAME.py`` is that file as well. ``<!-- not run: REASON -->``
before a block keeps it from running; its options are still checked.
"""

import argparse
import contextlib
import difflib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

__all__ = ["PAGES", "ROOT", "Block", "blocks_of", "check_command", "commands_of", "differences", "main"]

ROOT = Path(__file__).parents[1]

PAGES = tuple(
    f"docs/{name}.md"
    for name in (
        "tutorial", "installing", "python", "read-a-cache", "corpora", "your-corpus", "explore",
        "encoders-and-heads",
        "protocols", "uncertainty", "runs", "sweeps", "ledger", "fusion", "audit", "stress", "published-heads",
        "predicting",
        "smaller-caches", "sharing",
        "views", "cross-corpus",
        "fine-tuning", "long-jobs", "speed", "faces", "numbers",
    )
)  # fmt: skip
"""Pages in the order in which they run; together they share one folder."""

TOLERANCE = 0.02
"""How far a score may be from the one on the page: networks differ in last bits between processors."""

_FENCE = re.compile(r"^(?P<mark><!-- not run: (?P<reason>.+?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# (?P<name>\w+\.py)$", re.M)
_VOLATILE = re.compile(
    r"\d+(?:\.\d+)?(?= (?:s|min|h|TB|GB|MB)\b)|[\d.]+(?= clips/s)|[\d.]+(?= x real)|(?<=about )[\d:]+"
    r"|(?<=over )\d+(?= clips in)|(?<=busy )\d+|(?<=linear in )\d+|(?<=loglinear in )\d+"
    r"|(?<=\.py:)\d+|\d\.\de[+-]\d\d"
)
_DECIMAL = re.compile(r"[-+]?\d+\.\d+")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes
    ----------
    page : str
    line : int
        Of the fence, from 1.
    kind : str
        ``console``, ``python``, ``text`` …
    text : str
    reason : str
        Why it is not run; empty where it is.
    span : tuple of int
        Where its text stands in the page.
    """

    page: str
    line: int
    kind: str
    text: str
    reason: str
    span: tuple[int, int]

    @property
    def where(self) -> str:
        """Page and line, for messages."""
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """Give the fenced blocks of a page, first to last."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start("kind")) + 1, match["kind"], match["text"], match["reason"] or "",
              match.span("text"))
        for match in _FENCE.finditer(text)
    ]  # fmt: skip


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Give every command of a console block, and the lines that are shown as its output."""
    lines = block.text.splitlines()
    while lines:
        command = lines.pop(0).removeprefix("$ ")
        while command.endswith("\\"):
            command = command[:-1] + lines.pop(0).strip()
        output = []
        while lines and not lines[0].startswith("$ "):
            output.append(lines.pop(0))
        yield command, output


def check_command(line: str) -> None:
    """Parse a ``ravfeat`` command against the click definitions, without running it.

    Raises
    ------
    click.ClickException
        Where it names a command or option that is not there, or a value that the option refuses.
    """
    from ravfeat.cli import group

    words = shlex.split(line, comments=True)
    if not words or words[0] != "ravfeat" or "--help" in words:
        return
    command: click.Command = group
    context = group.make_context("ravfeat", words[1:])
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        command = found
        context = command.make_context(name, rest, parent=context)


def differences(shown: Sequence[str], printed: Sequence[str]) -> str:
    """Say where an output is not the one on the page; empty where it is, but for times and last digits."""
    pattern = [[]]
    for line in shown:
        if line.strip() == "…":
            pattern.append([])
        else:
            pattern[-1].append(line)
    start = 0
    for number, part in enumerate(pattern):
        last = number == len(pattern) - 1 and number > 0
        places = [len(printed) - len(part)] if last else range(start, len(printed) - len(part) + 1)
        places = [0] if number == 0 else places
        place = next((at for at in places if at >= start and _alike(part, printed[at : at + len(part)])), None)
        if place is None or (len(pattern) == 1 and len(printed) != len(part)):
            return "\n".join(difflib.unified_diff(shown, printed, "page", "printed", lineterm="", n=1))
        start = place + len(part)
    return ""


def _alike(shown: Sequence[str], printed: Sequence[str]) -> bool:
    return len(shown) == len(printed) and all(map(_same_line, shown, printed))


def _same_line(shown: str, printed: str) -> bool:
    shown, printed = (re.sub(r"\s+", " ", _VOLATILE.sub("#", line)).strip() for line in (shown, printed))
    if _DECIMAL.sub("#", shown) != _DECIMAL.sub("#", printed):
        return False
    pairs = zip(_DECIMAL.findall(shown), _DECIMAL.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) <= TOLERANCE for a, b in pairs)


def _ravfeat(words: Sequence[str]) -> int:
    """Run a command of ravfeat in this process, which saves the seconds of importing torch each time."""
    from ravfeat.cli import group
    from ravfeat.cli.errors import reporting

    sys.argv = ["ravfeat", *words]
    try:
        with reporting():
            group.main(list(words), prog_name="ravfeat", standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run_command(line: str) -> tuple[int, list[str]]:
    """Run one line of a console block; give the exit status and the printed lines."""
    words = shlex.split(line, comments=True)
    if words[0] == "ravfeat":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = _ravfeat(words[1:])
        return status, printed.getvalue().splitlines()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    return done.returncode, done.stdout.splitlines()


class Runner:
    """Runs the pages that share one folder."""

    def __init__(self, *, write: bool, verbose: bool) -> None:
        self.write, self.verbose = write, verbose
        self.faults: list[str] = []

    def page(self, page: str) -> None:
        """Run the blocks of a page in order, in the current folder."""
        names: dict[str, Any] = {"__name__": "__main__"}
        text, blocks = (ROOT / page).read_text(encoding="utf-8"), blocks_of(page)
        edits, started = [], time.process_time()
        for number, block in enumerate(blocks):
            if block.reason:
                continue
            if block.kind == "console":
                edits.append((block.span, self.console(block)))
            elif block.kind == "python":
                printed = self.python(block, names)
                shown = blocks[number + 1] if number + 1 < len(blocks) else None
                if shown is not None and shown.kind == "text" and shown.line == _end(block) + 2:
                    self.compare(shown, shown.text.splitlines(), printed)
                    edits.append((shown.span, _lines(_abridged(shown.text.splitlines(), printed))))
        if self.write:
            for (start, end), new in reversed(edits):
                text = text[:start] + new + text[end:]
            (ROOT / page).write_text(text, encoding="utf-8")
        print(f"{page}: {time.process_time() - started:.1f} s of processor time", flush=True)

    def console(self, block: Block) -> str:
        """Run a console block; give its text with new outputs."""
        text = []
        for command, shown in commands_of(block):
            started = time.process_time()
            status, printed = run_command(command)
            if self.verbose:
                print(f"  {time.process_time() - started:5.1f} s  {command}", flush=True)
            if status not in (0, 4):  # 4: an audit that held as far as could be tried
                self.faults.append(_lines([f"{block.where}: '{command}' ended with {status}", *printed[-20:]]))
                printed = shown
            elif shown:
                self.compare(block, shown, printed)
            text += [f"$ {command}", *_abridged(shown, printed)]
        return _lines(text) if "\\\n" not in block.text else block.text

    def python(self, block: Block, names: dict[str, Any]) -> list[str]:
        """Run a Python block; give the lines it printed."""
        printed = io.StringIO()
        if named := _FILE.match(block.text):
            Path(named["name"]).write_text(block.text, encoding="utf-8")
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * block.line + block.text, str(ROOT / block.page), "exec"), names)
        except Exception as error:  # noqa: BLE001 (a page may show anything; its fault is reported)
            self.faults.append(f"{block.where}: {type(error).__name__}: {error}")
        return printed.getvalue().splitlines()

    def compare(self, block: Block, shown: Sequence[str], printed: Sequence[str]) -> None:
        """Note a fault where an output is not the one on the page."""
        if not self.write and (difference := differences(shown, printed)):
            self.faults.append(f"{block.where} shows another output ('make readme' writes it anew):\n{difference}")


def _end(block: Block) -> int:
    return block.line + block.text.count("\n") + 1


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _abridged(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Give the new output at the length of the old: nothing, all, or what stands before and after the one ellipsis."""
    if not shown:
        return []
    if shown == ["…"]:
        return ["…"]
    if "…" not in shown:
        return [line.rstrip() for line in printed]
    before, after = shown.index("…"), len(shown) - shown.index("…") - 1
    return [line.rstrip() for line in [*printed[:before], "…", *printed[len(printed) - after :]]]


def _groups(pages: Sequence[str], *, only: bool) -> list[list[str]]:
    """Give the pages that share a folder, and with them those that they build on."""
    if not pages:
        return [["README.md"], list(PAGES)]
    last = max((PAGES.index(page) for page in pages if page in PAGES), default=-1)
    together = [page for page in PAGES[: last + 1] if page in pages or not only]
    return [group for group in ([page for page in pages if page == "README.md"], together) if group]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pages; give 1 where one of them is wrong."""
    parser = argparse.ArgumentParser(description="Run what the pages show.")
    parser.add_argument("pages", nargs="*", help="README.md or pages of docs/; those before them in the order run too")
    parser.add_argument("--write", action="store_true", help="replace shown outputs by new ones")
    parser.add_argument("--keep", type=Path, help="run in this folder, which stays, instead of a temporary one")
    parser.add_argument("--only", action="store_true", help="not the pages before: what they made is in --keep")
    parser.add_argument("--verbose", action="store_true", help="print the processor time of every command")
    options = parser.parse_args(arguments)
    os.environ["RAVFEAT_PROGRESS_S"] = "0"  # how many lines of progress there are depends on the machine
    runner = Runner(write=options.write, verbose=options.verbose)
    for group in _groups(options.pages, only=options.only):
        with tempfile.TemporaryDirectory() as scratch:
            folder = (options.keep or Path(scratch)) / Path(group[0]).parent.name
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.chdir(folder):
                for page in group:
                    runner.page(page)
    print("\n\n".join(runner.faults) or "every shown command and snippet runs")
    return 1 if runner.faults else 0


if __name__ == "__main__":
    sys.exit(main())
