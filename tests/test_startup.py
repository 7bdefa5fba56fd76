"""How long a person waits for a command to begin: processor time of a new process, so that a busy machine passes."""

import resource
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from ravfeat.cli import group

LIMIT_S = 0.3
HEAVY = {
    "torch",
    "transformers",
    "h5py",
    "mediapipe",
    "sklearn",
    "scipy",
    "pyarrow",
    "numpy",
    "av",
    "matplotlib",
    "tqdm",
}


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command and every command of a command."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), *path, name)  # type: ignore[arg-type]


def spent(code: str, *arguments: str) -> tuple[float, str]:
    """Processor seconds of a new process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def quickest(code: str, *arguments: str) -> tuple[float, str]:
    """The first of three tries under the limit, else the last: the first may read files from the disk."""
    for _ in range(3):
        seconds, said = spent(code, *arguments)
        if seconds < LIMIT_S:
            break
    return seconds, said


RUN = """
import atexit, sys
atexit.register(lambda: print("loaded", *sys.modules))
from ravfeat.cli import main
main()
"""
LIBRARIES = "import h5py, numpy, pydantic, pyarrow.compute, pyarrow.parquet"


@pytest.mark.parametrize("path", list(commands(group)), ids=" ".join)
def test_help_of_every_command_is_there_at_once_and_loads_nothing_heavy(path) -> None:
    seconds, said = quickest(RUN, *path, "--help")
    assert said.startswith(f"Usage: {' '.join(('ravfeat', *path))}")
    assert seconds < LIMIT_S
    assert not set(said.split("loaded ")[-1].split()) & HEAVY


def test_importing_the_package_looks_at_nothing() -> None:
    seconds, said = quickest("import ravfeat, sys; print(*sys.modules)")
    assert seconds < LIMIT_S
    assert not set(said.split()) & {*HEAVY, "importlib.metadata", "click"}


@pytest.mark.parametrize("command", [("info",), ("ls",), ("verify",)], ids=" ".join)
def test_looking_into_a_cache_loads_what_reads_it_and_no_more(command, whole_cache) -> None:
    said = spent(RUN, "cache", *command, str(whole_cache))[1]
    assert "logmel" in said or "sad" in said
    loaded = set(said.split("loaded ")[-1].split())
    assert "h5py" in loaded
    assert not loaded & {"torch", "transformers", "sklearn", "scipy", "av", "soundfile", "matplotlib", "jinja2"}
    # Beside the libraries that read and check: a busy machine slows both. Checking is most of the rest.
    ratios = (spent(RUN, "cache", *command, str(whole_cache))[0] / spent(LIBRARIES)[0] for _ in range(3))
    assert any(ratio < 5 for ratio in ratios)
