"""Names of features: in the shard, beside the identity, through conversions; hostile ones refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from ravfeat.cache.convert import Conversion, convert_cache
from ravfeat.cache.format import ShardContent
from ravfeat.cache.reader import open_cache
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import read_header
from ravfeat.errors import ShardError
from ravfeat.feature_names import names_problem, stored_names

NAMES = ("loudness", "F0", "jitter", "shimmer", "été")


def write(path: Path, content: ShardContent) -> Path:
    path.write_bytes(serialise_shard(content).data)
    return path


def test_names_survive_the_disk_and_change_no_identity(tmp_path: Path, content: ShardContent) -> None:
    named = read_header(write(tmp_path / "a.h5", replace(content, feature_names=NAMES)))
    plain = read_header(write(tmp_path / "b.h5", content))
    assert (named.feature_names, plain.feature_names) == (NAMES, ())
    assert named.fingerprint == plain.fingerprint
    assert named.metadata_sha256 != plain.metadata_sha256


def test_changed_names_do_not_match_their_digest(tmp_path: Path, content: ShardContent) -> None:
    path = write(tmp_path / "a.h5", replace(content, feature_names=NAMES))
    with h5py.File(path, "r+") as file:
        file["feature_names"][0] = "pitch"
    with pytest.raises(ShardError, match="metadata do not match their digest"):
        read_header(path)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (NAMES[:4], "it has 4 names of features, expected 5"),
        ((*NAMES[:4], "F0"), "two features have one name: 'F0'"),
        ((*NAMES[:4], " "), "a feature has the name ' '"),
        ((*NAMES[:4], "\x1b[31m"), r"a feature has the name '\\x1b\[31m'"),
        ((*NAMES[:4], "x" * 201), ".*expected at most 200 printable characters"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tmp_path: Path, content: ShardContent, names: tuple[str, ...], problem: str
) -> None:
    path = write(tmp_path / "a.h5", replace(content, feature_names=names))
    with pytest.raises(ShardError, match=f"is damaged: {problem}"):
        read_header(path)


def test_names_elsewhere_or_without_end_are_not_followed(tmp_path: Path, content: ShardContent) -> None:
    path = write(tmp_path / "a.h5", content)
    with h5py.File(path, "r+") as file:
        file["feature_names"] = h5py.ExternalLink("other.h5", "x")
    with pytest.raises(ShardError, match="'feature_names' is a link to another place"):
        read_header(path)
    with h5py.File(path, "r+") as file:
        del file["feature_names"]
        file.create_dataset("feature_names", data=["x"] * 6)
    with pytest.raises(ShardError, match=r"'feature_names' has the shape \(6,\)"):
        read_header(path)


def test_a_pooled_cache_names_its_statistics(cache_copy: Path, tmp_path: Path, rewrite: Callable[..., None]) -> None:
    names = tuple(f"f{i}" for i in range(open_cache(cache_copy).dim))
    rewrite(cache_copy / "shard-00000.h5", feature_names=names)
    cache = open_cache(cache_copy)
    assert cache.feature_names == names
    pooled = open_cache(convert_cache(cache, tmp_path / "out", Conversion(store="pooled")).path)
    assert pooled.feature_names == stored_names(names, ("mean", "std"))
    assert len(pooled.feature_names) == pooled.dim
    assert pooled.header(0).feature_names == names


def test_no_names_are_no_problem() -> None:
    assert names_problem((), 5) == ""
    assert stored_names((), ("mean", "std")) == ()
