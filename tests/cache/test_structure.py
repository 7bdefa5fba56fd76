"""A shard from a stranger is plain arrays and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache.child_check import headers_in_child
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import read_header
from ravfeat.errors import ShardError

Spoil = Callable[[h5py.File, Path], None]


def replace_features(file: h5py.File, make: Callable[[], Any]) -> None:
    layers = file["features"].attrs["layers"]
    del file["features"]
    make()
    if isinstance(file.get("features", getlink=True), h5py.HardLink):
        file["features"].attrs["layers"] = layers


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.zeros((3, 9, 5), "<f2")
    replace_features(file, lambda: file.__setitem__("features", h5py.ExternalLink("other.h5", "x")))


def soft_link(file: h5py.File, _: Path) -> None:
    file["elsewhere"] = file["features"]
    replace_features(file, lambda: file.__setitem__("features", h5py.SoftLink("/elsewhere")))


def external_storage(file: h5py.File, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"password" * 100)
    storage = [(str(secret), 0, 270)]
    replace_features(file, lambda: file.create_dataset("features", (3, 9, 5), "<f2", external=storage))


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((3, 9, 5), "<f2")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (3, 9, 5))
    replace_features(file, lambda: file.create_virtual_dataset("features", layout))


def never_written(file: h5py.File, _: Path) -> None:
    replace_features(file, lambda: file.create_dataset("features", (3, 9, 5 << 30), "<f2"))


def bomb(file: h5py.File, _: Path) -> None:
    replace_features(
        file, lambda: file.create_dataset("features", data=np.zeros((3, 9, 100_000), "<f2"), compression="gzip")
    )


def group_for_array(file: h5py.File, _: Path) -> None:
    replace_features(file, lambda: file.create_group("features"))


def linked_clips(file: h5py.File, _: Path) -> None:
    file.move("clips", "moved")
    file["clips"] = h5py.SoftLink("/moved")


def linked_column(file: h5py.File, _: Path) -> None:
    file.move("clips/actor", "moved")
    file["clips/actor"] = h5py.SoftLink("/moved")


def loop(file: h5py.File, _: Path) -> None:
    file["clips/further"] = file["clips"]


def reference(file: h5py.File, _: Path) -> None:
    del file["frames/time_s"]
    file.create_dataset("frames/time_s", data=np.array([file.ref] * 9, h5py.ref_dtype), dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (external_link, "'features' is a link to another place"),
        (soft_link, "'features' is a link to another place"),
        (external_storage, "'features' lies in another file"),
        (virtual, "'features' is put together from other files"),
        (never_written, r"'features' claims \d+ bytes and has 0"),
        (bomb, r"'features' claims \d+ bytes and has"),
        (group_for_array, "'features' is not an array"),
        (linked_clips, "'clips' is a link"),
        (linked_column, "'actor' is a link"),
        (loop, "is damaged|is not a plain shard|has to be"),
        (reference, "has the type object, expected numbers or text"),
    ],
)
def test_more_than_plain_arrays_is_refused(tmp_path: Path, content: Any, spoil: Spoil, message: str) -> None:
    path = tmp_path / "shard-00000.h5"
    path.write_bytes(serialise_shard(content).data)
    with h5py.File(path, "r+") as file:
        spoil(file, tmp_path)
    with pytest.raises(ShardError, match=message):
        read_header(path)
    with pytest.raises(ShardError, match=message):
        headers_in_child([path])


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.h5"
    os.mkfifo(path)
    with pytest.raises(ShardError, match="not a regular file"):
        headers_in_child([path])
