"""``ravfeat doctor``."""

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.doctor.finding import Finding

__all__ = ["FORMAT_VERSION", "command"]

FORMAT_VERSION = 1
_WIDTH = 80
_STATES = {"ok": "OK", "missing": "missing", "problem": "PROBLEM"}
_INDENT = " " * 23


@click.command("doctor")
@click.option("--out", type=click.Path(path_type=Path), default=Path("cache"), show_default=True,
              help="Folder that would get the caches.")  # fmt: skip
@click.option("--offline", is_flag=True, help="Do not ask whether the Hugging Face hub is reachable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def command(out: Path, *, offline: bool, as_json: bool) -> None:
    """Show what this machine has, what extract would use, and what to install for the rest.

    Nothing is fetched or changed. The exit code is 1 where something that is needed is broken. The output holds no
    tokens, and the home folder is ~: it can be pasted into an issue.

    \b
    ravfeat doctor
    ravfeat doctor --out /scratch/cache --offline
    ravfeat doctor --json
    """  # noqa: D301
    from ravfeat import __version__
    from ravfeat.doctor.examine import examine
    from ravfeat.doctor.finding import redacted

    findings = [redacted(finding) for finding in examine(out, offline=offline)]
    healthy = not any(finding.breaks for finding in findings)
    if as_json:
        records = [asdict(finding) for finding in findings]
        document = {"format_version": FORMAT_VERSION, "ravfeat": __version__, "healthy": healthy, "findings": records}
        click.echo(json.dumps(document, indent=1))
    else:
        echo(f"ravfeat {__version__}")
        echo(_table(findings))
    if not healthy:
        sys.exit(1)


def _table(findings: Sequence["Finding"]) -> str:
    lines = []
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        lines += ["", topic]
        for finding in group:
            head = f"  {_STATES[finding.state]:7}  {finding.name:10}  "
            lines += textwrap.wrap(
                finding.text, _WIDTH, initial_indent=head, subsequent_indent=_INDENT, break_on_hyphens=False
            )
            if finding.remedy:
                lines += textwrap.wrap(
                    f"-> {finding.remedy}", _WIDTH, initial_indent=_INDENT, subsequent_indent=f"{_INDENT}   ",
                    break_on_hyphens=False,
                )  # fmt: skip
    broken = [f"{finding.topic} {finding.name}" for finding in findings if finding.breaks]
    return "\n".join([*lines, "", f"broken: {', '.join(broken)}" if broken else "what is needed works"])
