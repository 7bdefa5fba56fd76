"""A cache of a million clips: time and memory of what is done with it, each step in a process of its own.

``python -m benchmarks.scale make FOLDER --clips 1000000`` writes the cache through the real writer (pooled, one layer,
128 clips a shard; about 1.5 GB), ``python -m benchmarks.scale all FOLDER`` measures on it. Features are drawn, nothing
is encoded: what is measured is everything but the encoder.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.cache import find_caches, open_cache
from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256, shard_file
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.cli import main as ravfeat
from ravfeat.extract.resume import find_work
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["make", "measure", "remove_some", "resume"]

N_ACTORS = 500
N_CHOSEN = 20_000
MISSING = 0.01
_MANIFEST, _CHOSEN, _CACHES = "corpus.parquet", "chosen.csv", "cache"
_RECIPE = StoreRecipe(store="pooled", dtype="float32")


def make(folder: Path, n_clips: int, dim: int) -> None:
    """Write a corpus's manifest, its cache, and a table of some of its clips."""
    folder.mkdir(parents=True, exist_ok=True)
    Manifest("scale", RAVDESS_LABELS, tuple(_clips(n_clips))).write(folder / _MANIFEST)
    ids = np.random.default_rng(1).permutation(n_clips)[: min(N_CHOSEN, n_clips)]
    lines = ["clip_id", *(f"clip-{number:07d}" for number in sorted(ids.tolist()))]
    (folder / _CHOSEN).write_text("\n".join(lines) + "\n", encoding="utf-8")
    cache = _prepared(folder, dim)
    with WorkLock(cache.path) as lock:
        written = {number: cache.write_shard(_content(cache, number, dim)) for number in cache.planned.numbers}
        cache.update_index(lock, written)


def _clips(n_clips: int) -> Iterator[Clip]:
    durations = np.random.default_rng(0).uniform(1, 6, n_clips).round(3).tolist()
    for number, duration_s in enumerate(durations):
        name, actor = f"clip-{number:07d}", number * 7919 % N_ACTORS
        gender, label = ("female", "male")[actor % 2], RAVDESS_LABELS[number % len(RAVDESS_LABELS)]
        yield Clip(
            name, f"take-{number:07d}", f"scale:{actor:04d}", gender, label, f"{actor:04d}/{name}.wav", duration_s
        )


def _prepared(folder: Path, dim: int) -> CacheFolder:
    identity = {
        "stream": "audio",
        "weights": "none",
        "layer_convention": "drawn/1",
        "preprocessing": [f"drawn {dim}/1"],
    }
    about = {"corpus": "scale", "synthetic": True, "stream": "audio", "encoder": "drawn"}
    manifest = Manifest.read(folder / _MANIFEST)
    return prepare_cache(folder / _CACHES, manifest, about, identity | _RECIPE.identity(1, "audio"), lambda _: 1024)


def _content(cache: CacheFolder, number: int, dim: int) -> ShardContent:
    """Draw a shard; the label shows in the features, so that a head has something to learn."""
    clips = cache.planned.clips_of(number)
    random = np.random.default_rng(number)
    labels = np.array([RAVDESS_LABELS.index(clip.label) for clip in clips])
    centres = np.random.default_rng(0).normal(size=(len(RAVDESS_LABELS), 2 * dim))
    values = (centres[labels] + random.normal(size=(len(clips), 2 * dim))).astype(np.float32)
    blocks = [value[None, None] for value in values]  # (L, T, D)
    records = [
        ClipRecord(
            clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label, round(clip.duration_s * 16_000),
            16_000.0, hashlib.sha256(clip.clip_id.encode()).hexdigest(), (digest := features_sha256(block)), start, 1,
            (digest,),
        )
        for start, (clip, block) in enumerate(zip(clips, blocks, strict=True))
    ]  # fmt: skip
    return ShardContent(
        number, cache.about, cache.identity, {"device": "cpu"}, tuple(records), (), tuple(blocks),
        tuple(np.array([clip.duration_s / 2]) for clip in clips), (1, 2 * dim),
    )  # fmt: skip


def _cache(folder: Path) -> Path:
    return find_caches(folder / _CACHES)[0]


def _dim(folder: Path) -> int:
    return open_cache(_cache(folder)).dim // 2


def _plan(folder: Path) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        Path(out, _MANIFEST).symlink_to((folder / _MANIFEST).resolve())
        cache = _prepared(Path(out), 4)
        return {"shards": len(find_work(cache, cache.planned.numbers).absent)}


def resume(folder: Path) -> Mapping[str, Any]:
    """Fill in what lacks; `measure` has removed it before."""
    dim = 4  # that of `make`, unless it was asked for another: it is part of the identity
    cache = _prepared(folder, dim)
    with WorkLock(cache.path) as lock:
        lock.claim(cache.planned.numbers)
        absent = find_work(cache, cache.planned.numbers).absent
        begun = time.perf_counter()
        written = {number: cache.write_shard(_content(cache, number, dim)) for number in absent}
        writing_s = time.perf_counter() - begun
        cache.update_index(lock, written)
    return {"shards": len(absent), "of it writing them": round(writing_s, 2)}


def _open(folder: Path) -> Mapping[str, Any]:
    cache = open_cache(_cache(folder))
    return {"clips": len(cache), "missing": len(cache.missing)}


def _content_digest(folder: Path) -> Mapping[str, Any]:
    return {"sha256": open_cache(_cache(folder)).content_sha256()[:12]}


def _command(*arguments: str) -> Callable[[Path], Mapping[str, Any]]:
    def run(folder: Path) -> Mapping[str, Any]:
        places = {"CACHE": _cache(folder), "CLIPS": folder / _CHOSEN, "RUN": folder / "run"}
        sys.argv = ["ravfeat", *(str(places.get(argument, argument)) for argument in arguments)]
        try:
            ravfeat()
        except SystemExit as end:
            return {"exit": end.code}
        return {}

    return run


_STEPS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "plan": _plan,
    "resume": resume,
    "open_cache": _open,
    "content_sha256": _content_digest,
    "info": _command("cache", "info", "CACHE"),
    "verify --sample 1%": _command("cache", "verify", "--sample", "1%", "CACHE"),
    "fit-heads": _command(
        "fit-heads", "--cache", "CACHE", "--clips", "CLIPS", "--protocol", "group5", "--head", "logreg", "--fusion",
        "none", "--out", "RUN", "--force",
    ),
}  # fmt: skip


def measure(folder: Path, steps: Sequence[str] = tuple(_STEPS)) -> Iterator[str]:
    """Run steps, each in a new process, and give a line with time and peak memory for each."""
    for step in steps:
        if step == "resume":
            remove_some(folder)
        command = [sys.executable, "-m", "benchmarks.scale", "step", str(folder), "--only", step]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        lines = done.stdout.splitlines() or [""]
        yield f"{step:20} {lines[-1]}" if not done.returncode else f"{step:20} failed: {done.stderr[-600:]}"


def remove_some(folder: Path) -> None:
    """Remove one shard of a hundred, for `resume`."""
    cache = _cache(folder)
    present = sorted(cache.glob("shard-*.h5"))
    chosen = np.random.default_rng(2).choice(len(present), max(1, round(MISSING * len(present))), replace=False)
    for number in chosen.tolist():
        (cache / shard_file(number)).unlink(missing_ok=True)


def _step(folder: Path, name: str) -> None:
    begun = time.perf_counter()
    told = _STEPS[name](folder)
    seconds = time.perf_counter() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor_s = sum(usage.ru_utime + usage.ru_stime for usage in used)
    peak = used[0].ru_maxrss / 1024
    print(f"{seconds:8.2f} s, {processor_s:8.2f} s of processor time, {peak:8.0f} MB  {json.dumps(told)}")


def _main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("what", choices=["make", "all", "step"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=4, help="of the encoder; stored are mean and standard deviation")
    parser.add_argument("--only", choices=_STEPS, action="append", help="one step; repeat for more")
    arguments = parser.parse_args()
    if arguments.what == "make":
        make(arguments.folder, arguments.clips, arguments.dim)
    elif arguments.what == "step":
        _step(arguments.folder, arguments.only[0])
    else:
        for line in measure(arguments.folder, arguments.only or tuple(_STEPS)):
            print(line, flush=True)


if __name__ == "__main__":
    _main()
