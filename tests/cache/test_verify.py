"""Everything that can be wrong with a cache is found and named."""

import io
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from ravfeat.cache import rebuild_index, verify_cache
from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    FailedClip,
    features_sha256,
    layers_sha256,
    shard_file,
)
from ravfeat.cache.index import read_index, refresh_sums, write_index
from ravfeat.cache.shard import read_header
from ravfeat.extract import run_extraction
from tests.signedcaches import sign, sign_metadata

FLIPS = 30


def seal(path: Path) -> None:
    """Give a changed shard the digests that a forger would give it."""
    with h5py.File(path, "r+") as file:
        sign_metadata(file)
    sign(path.parent, path.name)


def found(folder: Path) -> dict[str, str]:
    """Problems by file or clip."""
    problems: dict[str, str] = {}
    for problem in verify_cache(folder):
        problems[problem.where] = f"{problems.get(problem.where, '')}{problem.description}\n"
    return problems


def test_a_whole_cache_has_no_problem_and_reports_its_progress(whole_cache: Path) -> None:
    seen: list[str] = []
    assert verify_cache(whole_cache, progress=lambda path: seen.append(path.name)) == []
    assert seen == [shard_file(number) for number in range(6)]


@pytest.fixture(params=["audio", "face"])
def two_shards(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A cache of two shards that a test may spoil."""
    if request.param == "face":
        return Path(shutil.copytree(request.getfixturevalue("whole_face_cache"), tmp_path / "face"))
    corpus = request.getfixturevalue("corpus")
    request.getfixturevalue("small_shards")
    few = corpus.manifest.with_clips(corpus.manifest.clips[:8])
    return run_extraction(corpus.extraction(manifest=few), tmp_path).path


def test_every_flipped_bit_is_found(two_shards: Path) -> None:
    folder = two_shards
    files = sorted(path for path in folder.iterdir() if path.stat().st_size)
    assert len(files) == 6  # two shards, manifest, index, identity, sums
    rng = random.Random(20240501)
    for number in range(FLIPS):
        path = files[number % len(files)]
        original = path.read_bytes()
        position = rng.randrange(8 * len(original))
        damaged = bytearray(original)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        problems = verify_cache(folder)
        assert any(path.name in str(problem) for problem in problems), f"bit {position} of {path.name}: {problems}"
        path.write_bytes(original)
    assert verify_cache(folder) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("name", [shard_file(2), MANIFEST_FILE, INDEX_FILE, IDENTITY_FILE, SUMS_FILE])
def test_a_truncated_file_is_found(cache_copy: Path, name: str, share: float) -> None:
    data = (cache_copy / name).read_bytes()
    (cache_copy / name).write_bytes(data[: int(len(data) * share)])
    assert name in found(cache_copy)


@pytest.mark.parametrize("name", [MANIFEST_FILE, INDEX_FILE, IDENTITY_FILE, SUMS_FILE])
def test_a_missing_table_is_one_problem_with_its_remedy(cache_copy: Path, name: str) -> None:
    (cache_copy / name).unlink()
    problems = found(cache_copy)
    assert set(problems) == {name}
    assert ("ravfeat extract" if name == MANIFEST_FILE else "rebuild-index") in problems[name]


def test_a_missing_shard_is_named_and_so_are_its_clips(cache_copy: Path) -> None:
    clips = {clip.clip_id for clip in read_header(cache_copy / shard_file(4)).clips}
    (cache_copy / shard_file(4)).unlink()
    problems = found(cache_copy)
    assert set(problems) == clips | {shard_file(4)}
    assert "missing from the folder" in problems[shard_file(4)]
    assert {problems[clip_id] for clip_id in clips} == {"is missing (not extracted yet)\n"}


def test_a_missing_clip_is_named(cache_copy: Path, rewrite: Any) -> None:
    path = cache_copy / shard_file(1)
    header = read_header(path)
    keep = header.clips[:3]
    frames = keep[-1].frame_start + keep[-1].n_frames
    with h5py.File(path) as file:
        stored, times = file["features"][:, :frames], file["frames/time_s"][:frames]
    spans = [slice(clip.frame_start, clip.frame_start + clip.n_frames) for clip in keep]
    rewrite(path, clips=keep, features=tuple(stored[:, s] for s in spans), times_s=tuple(times[s] for s in spans))
    assert found(cache_copy) == {header.clips[3].clip_id: "is missing (not extracted yet)\n"}


def test_a_failed_clip_is_missing_for_its_reason(cache_copy: Path, rewrite: Any) -> None:
    path = cache_copy / shard_file(5)
    clips = read_header(path).clips
    failed = [
        FailedClip(c.clip_id, c.performance_id, c.actor, c.gender, c.label, "decode", "x.wav is empty") for c in clips
    ]
    rewrite(path, clips=(), features=(), times_s=(), failed=tuple(failed))
    assert found(cache_copy) == {c.clip_id: "is missing (failed in extraction: x.wav is empty)\n" for c in clips}


def test_a_shard_copied_under_another_name_is_a_duplicate_under_another_name(cache_copy: Path) -> None:
    shutil.copy(cache_copy / shard_file(0), cache_copy / shard_file(6))
    problems = found(cache_copy)
    assert "is shard 0 under another name; rename it to shard-00000.h5" in problems[shard_file(6)]
    assert "is not in the index" in problems[shard_file(6)]
    for clip in read_header(cache_copy / shard_file(0)).clips:
        assert "is a duplicate: stored 2 times, in shards [0, 6]" in problems[clip.clip_id]


def test_two_shards_that_changed_names_are_found(cache_copy: Path) -> None:
    one, two, spare = (cache_copy / name for name in (shard_file(0), shard_file(1), "x"))
    one.rename(spare)
    two.rename(one)
    spare.rename(two)
    problems = found(cache_copy)
    assert "is shard 1 under another name" in problems[shard_file(0)]
    assert "is shard 0 under another name" in problems[shard_file(1)]


def test_a_clip_stored_twice_with_all_digests_right_is_found(cache_copy: Path, rewrite: Any) -> None:
    header = read_header(cache_copy / shard_file(0))
    rewrite(cache_copy / shard_file(0), to=cache_copy / shard_file(6), number=6)
    problems = found(cache_copy)
    assert set(problems) == {clip.clip_id for clip in header.clips}
    assert "is a duplicate" in problems[header.clips[0].clip_id]
    assert "is in shard 6, planned for 0" in problems[header.clips[0].clip_id]


def test_a_foreign_clip_with_all_digests_right_is_found(cache_copy: Path, rewrite: Any) -> None:
    path = cache_copy / shard_file(0)
    clips = read_header(path).clips
    rewrite(path, clips=(replace(clips[0], clip_id="03-stranger"), *clips[1:]))
    problems = found(cache_copy)
    assert problems["03-stranger"] == "is foreign: it is in shard 0, not in the manifest\n"
    assert "is missing" in problems[clips[0].clip_id]
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("actor", "synth:99"), ("label", "angry!"), ("performance_id", "another"), ("gender", "")],
)
def test_a_relabelled_clip_with_all_digests_right_is_found(
    cache_copy: Path, rewrite: Any, name: str, value: str
) -> None:
    path = cache_copy / shard_file(2)
    clips = read_header(path).clips
    rewrite(path, clips=(replace(clips[0], **{name: value}), *clips[1:]))
    problems = found(cache_copy)
    assert set(problems) == {clips[0].clip_id}
    assert f"has {name} '{value}' in its shard" in problems[clips[0].clip_id]


def test_a_foreign_shard_is_found(cache_copy: Path, shard: Path) -> None:
    shutil.copy(shard, cache_copy / shard_file(0))
    problems = found(cache_copy)
    assert "is foreign: it was written with identity" in problems[shard_file(0)]
    assert problems["a"] == "is foreign: it is in shard 0, not in the manifest\n"


def test_the_same_encoders_shard_of_another_corpus_is_foreign(cache_copy: Path, rewrite: Any) -> None:
    path = cache_copy / shard_file(0)
    rewrite(path, about=dict(read_header(path).about) | {"corpus": "crema-d"})
    assert "is foreign: it holds clips of 'crema-d', this cache is of 'synth'" in found(cache_copy)[shard_file(0)]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_written_with_all_digests_right_is_found(cache_copy: Path, value: float) -> None:
    path = cache_copy / shard_file(3)
    header = read_header(path)
    clip = header.clips[2]
    with h5py.File(path, "r+") as file:
        file["features"][1, clip.frame_start + 3, 9] = value
        block = file["features"][:, clip.frame_start : clip.frame_start + clip.n_frames]
        file["clips/features_sha256"][2] = features_sha256(block)
        file["clips/layers_sha256"][2] = np.array(layers_sha256(block), "S64")
    seal(path)
    problems = found(cache_copy)
    assert set(problems) == {shard_file(3)}
    assert f"clip '{clip.clip_id}' holds NaN or infinite values; delete it and run" in problems[shard_file(3)]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (lambda f: (2, *f[1:]), "the identity says layers [0, 1, 2]"),
        (lambda f: (f[0], f[1] - 1, f[2]), "frames have a time"),
        (lambda f: (*f[:2], 32), "does not match its features_sha256"),
        (lambda f: f[1:], "expected (layer, frame, dim)"),
    ],
)
def test_wrong_shapes_with_the_files_digest_right_are_found(cache_copy: Path, shape: Any, message: str) -> None:
    path = cache_copy / shard_file(3)
    with h5py.File(path, "r+") as file:
        old = file["features"]
        new, layers = shape(old.shape), old.attrs["layers"]
        del file["features"]
        file.create_dataset("features", data=np.zeros(new, "<f2")).attrs["layers"] = layers
    seal(path)
    assert message in found(cache_copy)[shard_file(3)]


def test_a_shard_of_another_width_is_found(cache_copy: Path, rewrite: Any) -> None:
    path = cache_copy / shard_file(3)
    clips, blocks = read_header(path).clips, []
    for clip in clips:
        blocks.append(np.zeros((3, clip.n_frames, 32), np.float16))
    records = tuple(
        replace(clip, features_sha256=features_sha256(block), layers_sha256=layers_sha256(block))
        for clip, block in zip(clips, blocks, strict=True)
    )
    rewrite(path, clips=records, features=tuple(blocks), shape=(3, 32))
    assert found(cache_copy) == {shard_file(3): "has features of 32 dimensions, the first shard of 64\n"}


def test_an_index_that_says_otherwise_is_found(cache_copy: Path) -> None:
    shards = read_index(cache_copy)
    shards[1] = replace(shards[1], rows=tuple(row | {"actor": "c:9"} for row in shards[1].rows))
    write_index(cache_copy, shards)
    problems = found(cache_copy)
    assert set(problems) == {shard_file(1)}
    assert "holds other clips than the index says; 'ravfeat cache rebuild-index" in problems[shard_file(1)]
    rebuild_index(cache_copy)
    assert verify_cache(cache_copy) == []


def test_a_manifest_of_another_corpus_is_found(cache_copy: Path) -> None:
    path = cache_copy / MANIFEST_FILE
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 20), path)
    refresh_sums(cache_copy)
    assert "do not match their digest" in found(cache_copy)[MANIFEST_FILE]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (".shard-00001.h5.host-123.tmp", "left by an interrupted run; the next run removes it"),
        ("notes.txt", "is a file that does not belong in a cache"),
        ("shard-1.h5", "is a file that does not belong in a cache"),
    ],
)
def test_files_that_do_not_belong_are_named(cache_copy: Path, name: str, what: str) -> None:
    (cache_copy / name).write_bytes(b"x")
    (problem,) = found(cache_copy).items()
    assert problem[0] == name
    assert what in problem[1]


def test_a_damaged_identity_does_not_condemn_the_shards(cache_copy: Path) -> None:
    path = cache_copy / IDENTITY_FILE
    path.write_text(path.read_text().replace("clean", "noisy"))
    assert set(found(cache_copy)) == {IDENTITY_FILE}
    rebuild_index(cache_copy)
    assert verify_cache(cache_copy) == []


def test_the_command_names_each_problem_and_exits_1(cache_copy: Path, ravfeat: Any) -> None:
    done = ravfeat("cache", "verify", cache_copy)
    assert (done.returncode, done.stderr) == (0, "")
    (cache_copy / shard_file(2)).write_bytes(b"")
    os.truncate(cache_copy / shard_file(4), 5000)
    done = ravfeat("cache", "verify", cache_copy)
    assert done.returncode == 1
    assert "shard-00002.h5: has 0 bytes" in done.stderr
    assert "shard-00004.h5: has 5000 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_byte_is_read_once(whole_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[str, int] = {}

    class Counted(io.FileIO):
        def readinto(self, block: Any) -> int:
            n = super().readinto(block)
            read[Path(str(self.name)).name] = read.get(Path(str(self.name)).name, 0) + (n or 0)
            return n or 0

    def opened(path: Path, mode: str = "r", buffering: int = -1, **rest: Any) -> Any:
        return Counted(path) if buffering == 0 else opens(path, mode, buffering, **rest)

    opens = Path.open
    monkeypatch.setattr(Path, "open", opened)
    assert verify_cache(whole_cache) == []
    assert read == {path.name: path.stat().st_size for path in whole_cache.glob("shard-*.h5")}


@pytest.mark.parametrize("block_bytes", [1, 20_000])
def test_what_is_read_at_once_makes_no_difference(
    cache_copy: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr("ravfeat.cache.digests._BLOCK_BYTES", block_bytes)
    assert verify_cache(cache_copy) == []
    path = cache_copy / shard_file(4)
    clip = read_header(path).clips[2]
    with h5py.File(path, "r+") as file:
        file["features"][2, clip.frame_start, 5] += 1
    assert f"clip '{clip.clip_id}' does not match its features_sha256" in found(cache_copy)[shard_file(4)]


def test_features_that_were_compressed_since_are_still_checked(cache_copy: Path) -> None:
    path = cache_copy / shard_file(4)
    with h5py.File(path, "r+") as file:
        values, attributes = file["features"][...], dict(file["features"].attrs)
        del file["features"]
        file.create_dataset("features", data=values, compression="gzip").attrs.update(attributes)
    rebuild_index(cache_copy)
    assert verify_cache(cache_copy) == []
    with h5py.File(path, "r+") as file:
        file["features"][0, 0, 0] += 1
    assert "does not match its features_sha256" in found(cache_copy)[shard_file(4)]
