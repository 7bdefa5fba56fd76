"""One shard: its bytes, its reading, what is noticed when it is damaged."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache.digests import check_shard
from ravfeat.cache.format import ShardContent, fingerprint, shard_file
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import foreign, metadata_sha256, open_shard, read_header
from ravfeat.errors import ShardError
from ravfeat.files import sha256_of


def check_features(path: Path) -> list[str]:
    try:
        contents = check_shard(path, read_header(path))
    except ShardError as error:
        return [str(error)]
    assert contents.sha256 == sha256_of(path)
    return list(contents.problems)


def write(path: Path, content: ShardContent) -> Path:
    path.write_bytes(serialise_shard(content).data)
    return path


def test_everything_survives_the_disk(shard: Path, content: ShardContent) -> None:
    header = read_header(shard)
    assert (header.clips, header.failed) == (content.clips, content.failed)
    assert (header.about, header.identity, header.provenance) == (content.about, content.identity, content.provenance)
    assert (header.number, header.fingerprint) == (0, fingerprint(content.identity))
    assert (header.shape, header.dtype, header.layers, header.n_times) == ((3, 9, 5), "float16", (0, 3, 4), 9)
    assert check_features(shard) == []
    with open_shard(shard) as file:
        np.testing.assert_array_equal(file["features"][...], np.concatenate(content.features, axis=1))
        np.testing.assert_array_equal(file["frames/time_s"][...], np.concatenate(content.times_s))


def test_the_same_content_gives_the_same_bytes(content: ShardContent) -> None:
    assert serialise_shard(content) == serialise_shard(content)


def test_a_shard_of_failed_clips_only_is_a_shard(tmp_path: Path, content: ShardContent) -> None:
    path = write(tmp_path / "s.h5", replace(content, clips=(), features=(), times_s=()))
    header = read_header(path)
    assert (header.shape, header.clips, len(header.failed)) == ((3, 0, 5), (), 1)
    assert check_features(path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"number": 1},
        {"provenance": {"device": "cuda"}},
        {"about": {"corpus": "d"}},
        {"failed": ()},
    ],
)
def test_the_metadata_digest_covers_everything_but_features(content: ShardContent, change: dict[str, Any]) -> None:
    changed = replace(content, **change)
    assert serialise_shard(changed).metadata_sha256 != serialise_shard(content).metadata_sha256


def test_changed_metadata_do_not_match_their_digest(shard: Path) -> None:
    with h5py.File(shard, "r+") as file:
        file["clips/actor"][0] = "c:2"
    with pytest.raises(ShardError, match="metadata do not match their digest; delete it and run the same"):
        read_header(shard)


def test_changed_times_do_not_match_their_digest(shard: Path) -> None:
    with h5py.File(shard, "r+") as file:
        file["frames/time_s"][3] += 0.01
    with pytest.raises(ShardError, match="metadata do not match their digest"):
        read_header(shard)


def test_what_is_known_of_every_frame_survives_the_disk(tmp_path: Path, with_columns: ShardContent) -> None:
    path = write(tmp_path / "s.h5", with_columns)
    header = read_header(path)
    assert header.columns == {"box": 9, "found": 9}
    assert check_features(path) == []
    with open_shard(path) as file:
        np.testing.assert_array_equal(file["frames/box"][2:], with_columns.columns[1]["box"])


@pytest.mark.parametrize("name", ["box", "found"])
def test_changed_columns_do_not_match_their_digest(tmp_path: Path, with_columns: ShardContent, name: str) -> None:
    path = write(tmp_path / "s.h5", with_columns)
    with h5py.File(path, "r+") as file:
        file["frames"][name][3] += 1
    with pytest.raises(ShardError, match="metadata do not match their digest"):
        read_header(path)


def test_a_lost_column_is_noticed(tmp_path: Path, with_columns: ShardContent) -> None:
    path = write(tmp_path / "s.h5", with_columns)
    with h5py.File(path, "r+") as file:
        del file["frames/found"]
    with pytest.raises(ShardError, match="metadata do not match their digest"):
        read_header(path)


def test_a_column_that_is_too_short_is_a_problem(tmp_path: Path, with_columns: ShardContent) -> None:
    short = tuple({**own, "found": own["found"][:-1]} for own in with_columns.columns)
    path = write(tmp_path / "s.h5", replace(with_columns, columns=short))
    assert "is damaged: features have 9 frames, 7 frames have a found" in check_features(path)[0]


def test_changed_features_are_found_clip_by_clip(shard: Path) -> None:
    with h5py.File(shard, "r+") as file:
        file["features"][1, 4, 2] += 1
    assert check_features(shard) == ["clip 'b' does not match its features_sha256"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_found_even_where_its_digest_is_right(tmp_path: Path, make: Any, value: float) -> None:
    bad = np.zeros((3, 2, 5), np.float16)
    bad[2, 1, 4] = value
    path = write(tmp_path / "s.h5", make(0, {"a": np.zeros((3, 1, 5), np.float16), "b": bad}))
    assert check_features(path) == ["clip 'b' holds NaN or infinite values"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_start": 1}, "clip 'a' starts at frame 1, expected 0"),
        ({"n_frames": 1}, "clip 'b' starts at frame 2, expected 1"),
        ({"n_frames": 0}, "clip 'a' starts at frame 0"),
    ],
)
def test_clips_that_leave_gaps_or_overlap_are_found(
    tmp_path: Path, content: ShardContent, change: dict[str, int], message: str
) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(write(path, content), "r+") as file:
        for name, value in change.items():
            file[f"clips/{name}"][0] = value
        clips = (replace(content.clips[0], **change), content.clips[1])
        file.attrs["metadata_sha256"] = metadata_sha256(
            0, content.about, content.identity, content.provenance, clips, content.failed, file["frames/time_s"][...]
        )
    assert message in " ".join(check_features(path))


def test_other_layers_than_the_identity_says_are_found(tmp_path: Path, content: ShardContent) -> None:
    path = write(tmp_path / "s.h5", content)
    with h5py.File(path, "r+") as file:
        file["features"].attrs["layers"] = np.array([0, 1, 2])
    (problem,) = check_features(path)
    assert re.search(r"hold layers \[0, 1, 2\] as float16, the identity says layers \[0, 3, 4\]", problem)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((2, 9, 5), "<f2", "the identity says layers"),
        ((3, 9, 5), "<f4", "as float32, the identity says .* float16"),
        ((3, 8, 5), "<f2", "features have 8 frames, 9 frames have a time"),
        ((3, 45), "<f2", r"shape \(3, 45\) .*, expected \(layer, frame, dim\)"),
    ],
)
def test_features_of_another_shape_are_found(shard: Path, shape: Any, dtype: str, message: str) -> None:
    with h5py.File(shard, "r+") as file:
        layers = file["features"].attrs["layers"]
        del file["features"]
        file.create_dataset("features", data=np.zeros(shape, dtype)).attrs["layers"] = layers
    assert re.search(message, " ".join(check_features(shard)))


def test_what_is_no_shard_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / shard_file(0)
    with pytest.raises(ShardError, match=r"shard-00000.h5 is missing"):
        read_header(path)
    path.write_bytes(b"hello")
    with pytest.raises(ShardError, match="cannot be opened as HDF5"):
        read_header(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "something"
    with pytest.raises(ShardError, match="is not a ravfeat shard: its 'format' is 'something'"):
        read_header(path)
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "ravfeat-shard", "version": 1})
    with pytest.raises(ShardError, match="metadata cannot be read"):
        read_header(path)


@pytest.mark.parametrize("version", [0, 3, -1])
def test_other_versions_are_refused(shard: Path, version: int) -> None:
    with h5py.File(shard, "r+") as file:
        file.attrs["version"] = version
    with pytest.raises(ShardError, match=f"has format version {version}, this ravfeat reads 1 to 2"):
        read_header(shard)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_shard_is_refused(shard: Path, share: float) -> None:
    data = shard.read_bytes()
    shard.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ShardError, match="delete it and run the same 'ravfeat extract' again"):
        read_header(shard)


def test_a_foreign_shard_says_whose_it_is(shard: Path) -> None:
    header = read_header(shard)
    assert foreign(header, header.fingerprint, "c") == ""
    assert "written with identity" in foreign(header, "0" * 12, "c")
    assert "it holds clips of 'c', this cache is of 'd'" in foreign(header, header.fingerprint, "d")
