"""Publishing, pulling and remote reading: requests and bytes, against an object store and a hub on this machine.

``python -m benchmarks.remote`` writes a generated cache of 12 shards, publishes it to moto's S3 server and to the hub
of the tests, and counts what is asked of them: nothing here is timed. A command is killed at five random moments.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import ravfeat
from ravfeat.cache import Conversion, convert_cache, verify_cache
from ravfeat.cache.format import LOCK_FILE
from ravfeat.cache.origin_file import ORIGIN_FILE
from tests.objectstore import serve_objects
from tests.toyhub import WRITE_TOKEN, serve, use_hub
from tests.writtenshards import write_shards

__all__ = ["main", "measure"]

LAYER = 2
KILLS = 5
COMMAND = "from ravfeat.cli import main; main()"


@dataclass(frozen=True)
class Counted:
    """Requests that a server answered: how many in all and for bytes of shards, and bytes sent."""

    requests: int
    of_shards: int
    n_bytes: int


@dataclass(frozen=True)
class Server:
    """An address and what has been asked of it, as a list that grows."""

    address: str
    answered: Callable[[], list[tuple[str, int]]]

    def count(self, since: int = 0) -> Counted:
        """Count what was asked since some request; redirections of a hub carry no bytes and are not of shards."""
        answers = self.answered()[since:]
        shards = [n_bytes for path, n_bytes in answers if path.endswith(".h5") and n_bytes]
        return Counted(len(answers), len(shards), sum(n_bytes for _, n_bytes in answers))


def measure(shards: int = 12, clips: int = 24, frames: int = 375, layers: int = 5, dim: int = 1024) -> Iterator[str]:
    """Measure and give one line for each figure; by default 12 shards of 92 MB."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        local = write_shards(folder / "local", shards=shards, clips=clips, frames=frames, layers=layers, dim=dim)
        converted = convert_cache(ravfeat.open_cache(local), folder / "converted", Conversion(layers=(LAYER,))).path
        size = sum(path.stat().st_size for path in local.iterdir())
        yield f"{shards} shards, {size / 1e6:.1f} MB; layer {LAYER} converted: {_size(converted) / 1e6:.2f} MB"
        patch.setenv("no_proxy", "*")
        for kind in (_object_store, _hub):
            with kind(folder, patch) as server:
                for line in _trials(server, folder / kind.__name__, local, converted, patch):
                    yield f"{kind.__name__.strip('_').replace('_', ' ')}: {line}"


@contextmanager
def _object_store(_: Path, __: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve_objects() as store:
        # Bodies of requests are not counted, only what is sent.
        yield Server("s3://shelf/toy", lambda: [(path, size) for _, path, _, size in store.asked])


@contextmanager
def _hub(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve() as hub:
        use_hub(patch, hub.url, folder / "hub-home", WRITE_TOKEN)
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        yield Server("hf://datasets/somebody/toy", lambda: [(entry.path, entry.sent) for entry in hub.requests])


def _trials(server: Server, folder: Path, local: Path, converted: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    patch.setenv("RAVFEAT_CACHE_HOME", str(folder / "home"))
    _run("publish", local, "--to", server.address)
    start = len(server.answered())
    whole = folder / "whole"
    _run("pull", server.address, "--out", whole)
    once = server.count(start)
    yield f"pull: {_said(once)}, {once.n_bytes / _size(local):.4f} x the cache; {_same(whole, local)}"
    start = len(server.answered())
    some = folder / "some"
    _run("pull", server.address, "--layers", LAYER, "--out", some)
    part = server.count(start)
    share = part.n_bytes / _size(converted)
    yield f"pull --layers {LAYER}: {_said(part)}, {share:.4f} x the result; {_same(some, converted)}"
    yield from _reading(server, folder, patch)
    for options, once_bytes in (((), once.n_bytes), (("--layers", str(LAYER)), part.n_bytes)):
        yield _killed(server, folder / f"killed{len(options)}", options, once_bytes, local)


def _reading(server: Server, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    patch.setenv("RAVFEAT_CACHE_HOME", str(folder / "blocks"))
    start = len(server.answered())
    cache = ravfeat.open_cache(server.address)
    yield f"open: {_said(server.count(start))}"
    clip = cache.clip_ids[len(cache) // 2]
    for what, read in {
        "one clip of one layer": lambda: cache.read([clip], layers=[LAYER]),
        "one clip": lambda: cache.read([clip]),
        "one layer of all clips": lambda: cache.read(cache.clip_ids, layers=[1]),
        "all": lambda: [None for _ in cache.iter()],
        "all again": lambda: [None for _ in cache.iter()],
    }.items():
        start = len(server.answered())
        read()
        yield f"read {what}: {_said(server.count(start))}"


def _killed(server: Server, out: Path, options: tuple[str, ...], once: int, local: Path) -> str:
    chance, start = random.Random(11), len(server.answered())
    arguments = ["pull", server.address, "--out", out, *options]
    for _ in range(KILLS):
        before = server.count(start).n_bytes
        child = subprocess.Popen(_command(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = before + chance.uniform(0.05, 0.3) * once
        while child.poll() is None and server.count(start).n_bytes < wanted:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
    _run(*arguments)
    twice = server.count(start).n_bytes - once
    shard = (local / "shard-00000.h5").stat().st_size
    (folder,) = (path.parent for path in out.rglob("SHA256SUMS"))
    whole = "verify passes" if not verify_cache(folder) else "verify FAILS"
    return f"{' '.join(['pull', *options])} killed {KILLS} times: {twice / shard:.2f} shards fetched twice; {whole}"


def _same(out: Path, expected: Path) -> str:
    (folder,) = (path.parent for path in out.rglob("SHA256SUMS"))
    aside = {LOCK_FILE, ORIGIN_FILE}
    ours = {path.name: _digest(path) for path in folder.iterdir() if path.name not in aside}
    theirs = {path.name: _digest(path) for path in expected.iterdir() if path.name not in aside}
    # The published cache has a table of layers and a card more, and so another SHA256SUMS.
    added = ours.keys() - theirs.keys()
    changed = [name for name in theirs if ours.get(name) != theirs[name] and not (added and name == "SHA256SUMS")]
    verified = "verify passes" if not verify_cache(folder) else "verify FAILS"
    more = f" but for {', '.join(sorted(added))} and their line in SHA256SUMS" if added else ""
    return f"{'equal byte for byte' if not changed else f'ANOTHER {changed}'}{more}; {verified}"


def _said(count: Counted) -> str:
    return f"{count.requests} requests, {count.of_shards} of them for bytes of shards, {count.n_bytes / 1e6:.3f} MB"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _command(arguments: list[object]) -> list[str]:
    return [sys.executable, "-c", COMMAND, "cache", *map(str, arguments)]


def _run(*arguments: object) -> None:
    subprocess.run(_command(list(arguments)), check=True, capture_output=True, env=dict(os.environ))


def main() -> None:
    """Print every line."""
    parser = argparse.ArgumentParser(prog="benchmarks.remote", description=__doc__)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--clips", type=int, default=24, help="in a shard")
    arguments = parser.parse_args()
    for line in measure(arguments.shards, arguments.clips):
        print(line, flush=True)


if __name__ == "__main__":
    main()
