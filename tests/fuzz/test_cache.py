"""Damaged caches: our error or the values that were stored; signed anew, our error or what the file says.

``RAVFEAT_FUZZ`` is the number of mutations of every kind.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, MANIFEST_FILE, SUMS_FILE
from ravfeat.errors import CacheError, RavfeatError
from tests.fuzz.mutations import mutate_bytes, mutate_json, mutated, outcome, rounds
from tests.signedcaches import SHARD, change_shard, set_column, sign, sign_metadata, write_sums
from tests.toycaches import actors_and_emotions, build_cache

Values = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_cache(tmp_path_factory.mktemp("fuzz"), actors_and_emotions(actors=3))


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "cache"))


def read_all(folder: Path) -> dict[str, np.ndarray]:
    cache = open_cache(folder)
    records = cache.records()
    values = dict(zip(cache.clip_ids, cache.read(cache.clip_ids, verify=True), strict=True))
    facts = {f"{name} facts": np.array([clip.actor, clip.label, clip.performance_id]) for name, clip in records.items()}
    return values | facts | {f"{name} times": cache.times(name) for name in cache.clip_ids}


def same(one: Values, other: Values) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", [SHARD, INDEX_FILE, MANIFEST_FILE, IDENTITY_FILE, SUMS_FILE])
def test_a_damaged_file_is_refused_or_changes_nothing(folder: Path, name: str) -> None:
    original, right = (folder / name).read_bytes(), read_all(folder)
    for seed in range(rounds(25)):
        data = mutated(name, original, Random(seed))
        (folder / name).write_bytes(data)
        answer = outcome(lambda: read_all(folder))
        assert isinstance(answer, RavfeatError) or same(answer, right), (name, seed)
        if seed % 25 == 0 and data != original:
            assert outcome(lambda: verify_cache(folder)), (name, seed)


@pytest.mark.parametrize("name", [INDEX_FILE, MANIFEST_FILE, IDENTITY_FILE])
def test_a_damaged_table_that_is_signed_anew_is_refused_or_says_what_the_shards_say(folder: Path, name: str) -> None:
    original, right = (folder / name).read_bytes(), read_all(folder)
    for seed in range(rounds(25)):
        (folder / name).write_bytes(mutated(name, original, Random(seed)))
        write_sums(folder)
        answer = outcome(lambda: read_all(folder))
        # An index of fewer clips is one of a part of the cache.
        assert isinstance(answer, RavfeatError) or same(answer, {name: right[name] for name in answer}), (name, seed)


def test_a_damaged_shard_signed_anew_costs_a_child_at_most(folder: Path) -> None:
    original = (folder / SHARD).read_bytes()
    with ChildProcesses() as children:
        for seed in range(rounds(25)):
            random = Random(seed)
            data = original
            for _ in range(random.choice((1, 1, 3))):
                data = mutate_bytes(data, random)
            (folder / SHARD).write_bytes(data)
            answer = outcome(lambda: children.check(folder / SHARD))
            if not isinstance(answer, RavfeatError) and not answer.problems:  # it did no harm: read it here
                sign(folder)
                assert_it_says(folder, outcome(lambda: read_all(folder)), seed)


def test_a_shard_changed_through_hdf5_and_signed_anew_is_refused_or_read_as_it_says(folder: Path) -> None:
    original, identity = (folder / SHARD).read_bytes(), (folder / IDENTITY_FILE).read_bytes()
    for seed in range(rounds(25)):
        (folder / SHARD).write_bytes(original)
        (folder / IDENTITY_FILE).write_bytes(identity)
        random = Random(seed)
        try:
            change_shard(folder, lambda file, random=random: change(file, random))
        except (TypeError, ValueError, OSError, RuntimeError):  # what HDF5 cannot store
            continue
        assert_it_says(folder, outcome(lambda: read_all(folder)), seed)


def assert_it_says(folder: Path, answer: Any, seed: int) -> None:
    """Hold what was read against the file, read by h5py alone."""
    if isinstance(answer, RavfeatError):
        assert isinstance(answer, CacheError), (seed, answer)
        return
    with h5py.File(folder / SHARD, "r") as file:
        clips, features = file["clips"], file["features"][...]
        ids = clips["clip_id"].asstr()[...].tolist()
        for row, (clip_id, start, count) in enumerate(
            zip(ids, clips["frame_start"][...], clips["n_frames"][...], strict=True)
        ):
            block = features[:, start : start + count]
            np.testing.assert_array_equal(answer[clip_id], block.transpose(1, 0, 2), err_msg=str(seed))
            assert hashlib.sha256(block.tobytes()).hexdigest() == clips["features_sha256"].asstr()[row], seed
            facts = [clips[name].asstr()[row] for name in ("actor", "label", "performance_id")]
            assert answer[f"{clip_id} facts"].tolist() == facts, seed


# --- changes through HDF5

DOCUMENTS = ("about", "identity", "provenance")
ARRAYS = (
    "features", "frames/time_s", "clips/clip_id", "clips/actor", "clips/label", "clips/gender", "clips/n_samples",
    "clips/rate_hz", "clips/input_sha256", "clips/features_sha256", "clips/layers_sha256", "clips/frame_start",
    "clips/n_frames", "failed/reason",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    0,
    -1,
    1 << 40,
    1.5,
    float("nan"),
    "",
    "../x",
    "a\0b",
    [1, 2],
    ["a"] * 12,
    np.zeros((2, 2)),
    b"\xff",
)


def change(file: h5py.File, random: Random) -> None:
    kind = random.randrange(5)
    if kind < 2:
        name = random.choice(DOCUMENTS)
        file.attrs[name] = mutate_json(str(file.attrs[name]).encode(), random).decode()
    elif kind == 2:
        holder = random.choice((file, file["features"]))
        name = random.choice(sorted(holder.attrs))
        holder.attrs.create(name, random.choice(ODD))
    else:
        change_array(file, random.choice(ARRAYS), random)


def change_array(file: h5py.File, name: str, random: Random) -> None:
    data = file[name]
    is_text = h5py.check_string_dtype(data.dtype) is not None
    values = (data.asstr() if is_text else data)[...]
    changes: tuple[Callable[[], Any], ...] = (
        lambda: np.flip(values),
        lambda: values[: len(values) // 2],
        lambda: np.concatenate([values, values]),
        lambda: values.reshape(1, -1),
        lambda: values.ravel(),
        lambda: random.choice(ODD),
        lambda: [random.choice(ODD[:5])] * len(values),
        lambda: one_cell(values, random),
        lambda: one_cell(values, random),
        lambda: values.astype(random.choice(("<f8", ">f4", "<f2", "<i2", "S3"))),
    )
    changed = np.asarray(random.choice(changes)())
    text = changed.dtype.kind in "OU"
    set_column(file, name, changed.astype(object) if text else changed, h5py.string_dtype() if text else None)


def one_cell(values: np.ndarray, random: Random) -> np.ndarray:
    values = values.copy()
    if values.size:
        odd = random.choice(ODD[:7])
        values.flat[random.randrange(values.size)] = str(odd) if values.dtype.kind == "O" else odd
    return values


def test_the_signing_of_these_tests_is_that_of_the_format(folder: Path) -> None:
    before = (folder / INDEX_FILE).read_bytes(), (folder / SUMS_FILE).read_bytes()
    with h5py.File(folder / SHARD, "r+") as file:
        sign_metadata(file)
    sign(folder)
    assert verify_cache(folder) == []
    assert len(before[0]) == len((folder / INDEX_FILE).read_bytes())
