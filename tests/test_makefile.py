"""What ``make`` does before any of our code runs: which Python it takes, and that a commit is checked like a push."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"
    return subprocess.run(
        ["make", "--no-print-directory", f"{folder}/venv/bin/python", f"VENV={folder}/venv", *arguments],
        cwd=ROOT, env={"PATH": path}, text=True, capture_output=True, check=False,
    )  # fmt: skip


def write_python(folder: Path, name: str, works: int) -> None:
    """Write an interpreter that says that it works or not, and whose ``-m venv`` prints its name."""
    body = f'case "$1" in -c) exit {1 - works};; --version) echo {name};; -m) echo "{name} made $3";; esac'
    (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def test_the_newest_python_that_runs_makes_the_environment(tmp_path) -> None:
    for name, works in (("python3.13", 0), ("python3.12", 1), ("python3.11", 1)):
        write_python(tmp_path, name, works)
    done = make(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"python3.12 made {tmp_path}/venv"


def test_no_python_is_one_clear_message(tmp_path) -> None:
    write_python(tmp_path, "python3.12", 0)
    done = make(tmp_path, "PYTHON=python3.12 no-such-python")
    assert done.returncode == 2
    assert "no working Python 3.11, 3.12 or 3.13 with venv and pip among: python3.12 no-such-python" in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr


def test_a_commit_is_checked_by_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    tools = re.findall(r"\$\(VENV\)/bin/(\w+(?: (?:check|format))?)", recipe[1])
    hooks = re.findall(r"entry: \.venv/bin/(\w+(?: (?:check|format))?)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert tools == hooks
