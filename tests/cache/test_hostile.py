"""Caches of a stranger who means harm, all digests right: every command refuses them in one line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import (
    FAILED_COLUMNS,
    IDENTITY_FILE,
    INDEX_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
)
from ravfeat.errors import CacheError
from ravfeat.manifest import parquet_bytes, parquet_table
from tests.signedcaches import (
    SHARD,
    change_index,
    change_manifest,
    change_shard,
    changed_cell,
    set_cells,
    set_column,
    set_document,
    sign,
    write_index,
    write_sums,
)
from tests.toycaches import actors_and_emotions, build_cache

Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_cache(tmp_path_factory.mktemp("honest"), actors_and_emotions())


def by_hdf5(change: Callable[..., object], *arguments: Any) -> Spoil:
    return lambda folder: change_shard(folder, lambda file: change(file, *arguments))


# --- links and storage


def replace_by(name: str, make: Callable[[h5py.File], object]) -> Spoil:
    def change(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        file.move(name, "elsewhere")
        made = make(file)
        if made is not None:
            file[name] = made
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs.update(attributes)

    return by_hdf5(change)


def virtual(file: h5py.File) -> None:
    shape = file["elsewhere"].shape
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape)
    file.create_virtual_dataset("features", layout)


def external(file: h5py.File) -> None:
    old = file["elsewhere"]
    file.create_dataset("features", old.shape, "<f4", external=[("/etc/passwd", 0, old.nbytes)])


def text_bomb(file: h5py.File) -> None:
    """A million pointers to one text of a megabyte."""
    set_column(file, "clips/label", ["x" * 1_000_000] * 8, h5py.string_dtype())


STORAGE: dict[str, Spoil] = {
    "features by a soft link": replace_by("features", lambda _: h5py.SoftLink("/elsewhere")),
    "features by an external link": replace_by("features", lambda _: h5py.ExternalLink("/etc/passwd", "x")),
    "features in another file": replace_by("features", external),
    "features put together": replace_by("features", virtual),
    "features that take terabytes": replace_by(
        "features", lambda file: file.create_dataset("features", (3, 1 << 20, 1 << 20), "<f4") and None
    ),
    "a bomb": replace_by(
        "features",
        lambda file: (
            file.create_dataset("features", data=np.zeros((3, 1000, 4000), "<f4"), compression="gzip") and None
        ),
    ),
    "a chunk larger than the array": replace_by(
        "features",
        lambda file: (
            file.create_dataset(
                "features", file["elsewhere"].shape, "<f4", chunks=(3, 1 << 15, 1 << 10), maxshape=(3, None, None)
            )
            and None
        ),
    ),
    "a table by a soft link": replace_by("clips", lambda _: h5py.SoftLink("/elsewhere")),
    "frames in another file": replace_by("frames", lambda _: h5py.ExternalLink("/etc/passwd", "x")),
    "a column in another file": replace_by("clips/clip_id", lambda _: h5py.ExternalLink("/etc/passwd", "x")),
    "a column that is a group": replace_by("clips/actor", lambda file: file.create_group("clips/actor") and None),
    "an unknown filter": replace_by(
        "features",
        lambda file: file.create_dataset("features", data=file["elsewhere"][...], scaleoffset=2, chunks=True) and None,
    ),
    "features of a compound type": replace_by(
        "features", lambda file: file.create_dataset("features", data=np.zeros((3, 9, 4), "<f4,<f4")) and None
    ),
    "times of no fixed length": replace_by(
        "frames/time_s", lambda file: file.create_dataset("frames/time_s", (9,), h5py.vlen_dtype("<f8")) and None
    ),
    "references": replace_by(
        "clips/actor", lambda file: file.create_dataset("clips/actor", (96,), h5py.ref_dtype) and None
    ),
    "a text in many rows": by_hdf5(text_bomb),
    "a million rows": by_hdf5(set_column, "failed/reason", np.array([b"x"] * 1_000_000)),
}

# --- shapes


def reshaped(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return by_hdf5(lambda file: set_column(file, "features", change(file["features"][...])))


SHAPES: dict[str, Spoil] = {
    "fewer layers than the identity says": reshaped(lambda a: a[:2]),
    "more layers than the identity says": reshaped(lambda a: np.concatenate([a, a])),
    "another type than the identity says": reshaped(lambda a: a.astype("<f2")),
    "the other byte order": reshaped(lambda a: a.astype(">f4")),
    "double precision": reshaped(lambda a: a.astype("<f8")),
    "whole numbers": reshaped(lambda a: a.astype("<i4")),
    "features without layers": reshaped(lambda a: a[0]),
    "fewer frames": reshaped(lambda a: a[:, :-1]),
    "more frames": reshaped(lambda a: np.concatenate([a, a], 1)),
    "more times": by_hdf5(lambda file: set_column(file, "frames/time_s", np.arange(9999.0))),
    "times in two columns": by_hdf5(
        lambda file: set_column(file, "frames/time_s", np.zeros((file["features"].shape[1], 2)))
    ),
    "a gap between clips": by_hdf5(changed_cell, "clips/frame_start", 1),
    "overlapping clips": by_hdf5(changed_cell, "clips/frame_start", 0, 1),
    "a clip without frames": by_hdf5(changed_cell, "clips/n_frames", 0),
    "fewer than no frames": by_hdf5(changed_cell, "clips/n_frames", -5),
    "2^62 frames": by_hdf5(changed_cell, "clips/n_frames", 1 << 62),
    "other layer numbers": by_hdf5(lambda file: file["features"].attrs.modify("layers", [0, 1, 7])),
    "a digest too few": by_hdf5(
        lambda file: set_column(file, "clips/layers_sha256", file["clips/layers_sha256"][:, :2])
    ),
    "a column too short": by_hdf5(lambda file: set_column(file, "clips/n_samples", np.arange(3))),
    "a column without rows": by_hdf5(lambda file: set_column(file, "clips/n_samples", 3)),
}

# --- names


def about(**values: Any) -> Spoil:
    return by_hdf5(set_document, "about", lambda document: document | values)


def identity(**values: Any) -> Spoil:
    return by_hdf5(set_document, "identity", lambda document: document | values)


NAMES: dict[str, Spoil] = {
    "an encoder above": about(encoder="../../../escaped"),
    "an encoder anywhere": about(encoder="/tmp/escaped"),
    "an encoder with a backslash": about(encoder="..\\escaped"),
    "a hidden encoder": about(encoder=".ssh"),
    "an encoder of two lines": about(encoder="a\nb"),
    "an encoder that steers the terminal": about(encoder="\x1b[2Jgone"),
    "an encoder that turns text around": about(encoder="a\u202eb"),
    "an encoder without a name": about(encoder=""),
    "an encoder of 5000 letters": about(encoder="a" * 5000),
    "a stream above": about(stream="../../escaped"),
    "a stream of predictions": about(stream="fused"),
    "a corpus above": about(corpus="../../escaped"),
    "another corpus": about(corpus="else"),
    "a view above": identity(view="../../../escaped"),
    "another stream than its identity": about(stream="face"),
}

# --- types and values of documents and columns

DOCUMENTS: dict[str, Spoil] = {
    "about is a list": by_hdf5(set_document, "about", lambda _: []),
    "synthetic is a text": about(synthetic="false"),
    "the encoder is a number": about(encoder=3),
    "an identity without layers": by_hdf5(set_document, "identity", lambda d: {k: d[k] for k in d if k != "layers"}),
    "layers are texts": identity(layers=["0", "1", "2"]),
    "layers are floats": identity(layers=[0.0, 1.0, 2.0]),
    "layers are not in order": identity(layers=[0, 2, 1]),
    "a layer twice": identity(layers=[0, 1, 1]),
    "a layer below 0": identity(layers=[-1, 0, 1]),
    "no layers": identity(layers=[]),
    "a stride of 0": identity(frame_stride=0),
    "a stride that is true": identity(frame_stride=True),
    "a stride of 10^400": identity(frame_stride=10**400),
    "an unknown type": identity(dtype="object"),
    "an unknown store": identity(store="cloud"),
    "statistics are a text": identity(statistics="mean"),
    "weights are null": identity(weights=None),
    "deep nesting": by_hdf5(lambda file: file.attrs.modify("identity", "[" * 5000 + "]" * 5000)),
    "half a surrogate": by_hdf5(lambda file: file.attrs.modify("identity", '{"view": "\\ud800"}')),
    "no JSON": by_hdf5(lambda file: file.attrs.modify("provenance", "{")),
    "a provenance that is a list": by_hdf5(set_document, "provenance", lambda _: []),
    "a source of numbers": by_hdf5(lambda file: file.attrs.create("source", '{"repository": 3}')),
    "a source of files elsewhere": by_hdf5(lambda file: file.attrs.create("source", '{"files": {"/etc/x": "00"}}')),
    "an attribute is missing": by_hdf5(lambda file: file.attrs.__delitem__("about")),
    "the format is an array": by_hdf5(lambda file: file.attrs.create("format", ["ravfeat-shard"] * 3, dtype="S20")),
    "the version is a text": by_hdf5(lambda file: file.attrs.create("version", "2")),
    "a version to come": by_hdf5(lambda file: file.attrs.create("version", 3)),
    "another number": by_hdf5(lambda file: file.attrs.create("shard", 7)),
    "the number is a text": by_hdf5(lambda file: file.attrs.create("shard", "zero")),
    "identity.json of another cache": lambda folder: other_identity(folder),
    "identity.json is nested": lambda folder: write_file(folder, IDENTITY_FILE, b"[" * 100_000),
    "identity.json is a list": lambda folder: write_file(folder, IDENTITY_FILE, b"[]"),
}

COLUMNS: dict[str, Spoil] = {
    "samples are floats": by_hdf5(lambda file: set_column(file, "clips/n_samples", np.ones(96))),
    "less than no samples": by_hdf5(changed_cell, "clips/n_samples", -1),
    "a rate that is not a number": by_hdf5(changed_cell, "clips/rate_hz", float("nan")),
    "an endless rate": by_hdf5(changed_cell, "clips/rate_hz", float("inf")),
    "a label that is no class": by_hdf5(changed_cell, "clips/label", "bored"),
    "an unknown gender": by_hdf5(changed_cell, "clips/gender", "robot"),
    "a clip without an actor": by_hdf5(changed_cell, "clips/actor", ""),
    "a clip without an id": by_hdf5(changed_cell, "clips/clip_id", ""),
    "a clip twice": by_hdf5(changed_cell, "clips/clip_id", "01-01", 0),
    "a time that is not a number": by_hdf5(changed_cell, "frames/time_s", float("nan")),
    "times that fall": by_hdf5(changed_cell, "frames/time_s", 99.0),
    "text that is none": by_hdf5(lambda file: set_column(file, "clips/actor", np.array([b"\xff\xfe"] * 96))),
    "a digest that is none": by_hdf5(changed_cell, "clips/input_sha256", "x"),
    "a table without a column": by_hdf5(lambda file: file.__delitem__("clips/label")),
    "a failed clip that is stored": by_hdf5(
        lambda file: [set_column(file, f"failed/{name}", ["01-00"], h5py.string_dtype()) for name in FAILED_COLUMNS]
    ),
}

# --- index, manifest, sums and what is no file


def cell(name: str, value: Any, row: int = 0) -> Spoil:
    return lambda folder: change_index(folder, lambda table: set_cells(table, name, value, row))


def everywhere(name: str, value: Any) -> Spoil:
    def change(table: pa.Table) -> pa.Table:
        values = pa.array([value] * len(table), table.schema.field(name).type)
        return table.set_column(table.column_names.index(name), name, values)

    return lambda folder: change_index(folder, change)


def swap_clips(table: pa.Table) -> pa.Table:
    ids = table["clip_id"].to_pylist()
    ids[0], ids[1] = ids[1], ids[0]
    return table.set_column(0, "clip_id", pa.array(ids))


def long_table(folder: Path) -> pa.Table:
    table = parquet_table((folder / INDEX_FILE).read_bytes())
    column = pa.array(["x" * 100_000]).dictionary_encode().take(pa.array([0] * 100_000))
    rows = {name: pa.nulls(100_000, table.schema.field(name).type) for name in table.column_names}
    return pa.table(rows | {"clip_id": column}).replace_schema_metadata(table.schema.metadata)


def meta(key: bytes, value: bytes) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.replace_schema_metadata({**table.schema.metadata, key: value})


INDEX: dict[str, Spoil] = {
    "a clip in two rows": cell("clip_id", "00-01"),
    "an index of other clips": lambda folder: change_index(folder, swap_clips),
    "a file elsewhere": everywhere("shard_file", "../../../etc/passwd"),
    "a shard below 0": everywhere("shard", -1),
    "no shard number": everywhere("shard", None),
    "a frame below 0": cell("frame_start", -3),
    "no frames": cell("n_frames", None),
    "2^62 frames of the index": cell("n_frames", 1 << 62),
    "an unknown status": cell("status", "maybe"),
    "a status of nobody": cell("status", None),
    "features beyond the file": everywhere("shard_features_bytes", 1 << 40),
    "features before the file": everywhere("shard_features_offset", -1),
    "two digests of a shard": cell("shard_sha256", "0" * 64),
    "a digest of an index that is none": everywhere("shard_sha256", "x"),
    "no digest": everywhere("shard_metadata_sha256", None),
    "a column of another type": cell("frame_start", "zero"),
    "an index without a column": lambda folder: change_index(folder, lambda table: table.drop_columns(["status"])),
    "a column of the index twice": lambda folder: change_index(
        folder, lambda table: table.append_column("shard", table["shard"])
    ),
    "a version of the index to come": lambda folder: change_index(folder, meta(b"ravfeat.index", b'{"version": 2}')),
    "metadata that are no JSON": lambda folder: change_index(folder, meta(b"ravfeat.index", b"\xff")),
    "an index of nothing": lambda folder: change_index(folder, lambda table: table.slice(0, 0)),
    "an index that is a text": lambda folder: write_index(folder, b"PAR1 or not"),
    "an index that takes 10 GB": lambda folder: write_index(folder, parquet_bytes(long_table(folder))),
}


def in_manifest(name: str, value: Any) -> Spoil:
    return lambda folder: change_manifest(folder, lambda table: set_cells(table, name, value))


def manifest_meta(value: bytes) -> Spoil:
    return lambda folder: change_manifest(folder, meta(b"ravfeat.manifest", value))


def manifest_without_plan(folder: Path) -> None:
    table = parquet_table((folder / MANIFEST_FILE).read_bytes())
    write_file(folder, MANIFEST_FILE, parquet_bytes(meta(b"ravfeat.plan", b"{}")(table)))


CLASSES = b'"classes": ["neutral","calm","happy","sad","angry","fearful","disgust","surprised"'
MANIFEST: dict[str, Spoil] = {
    "a class twice": manifest_meta(b'{"version":"1","corpus":"ravdess","synthetic":false,' + CLASSES + b',"sad"]}'),
    "classes are a text": manifest_meta(b'{"version":"1","corpus":"ravdess","synthetic":false,"classes":"sad"}'),
    "a corpus above the folder": manifest_meta(b'{"version":"1","corpus":"../x","synthetic":false,' + CLASSES + b"]}"),
    "synthetic is a number": manifest_meta(b'{"version":"1","corpus":"ravdess","synthetic":1,' + CLASSES + b"]}"),
    "a manifest of a list": manifest_meta(b"[]"),
    "a label of nobody": in_manifest("label", "bored"),
    "a gender of nobody": in_manifest("gender", "robot"),
    "an empty cell": in_manifest("actor", None),
    "an empty actor": in_manifest("actor", ""),
    "no shard": in_manifest("shard", None),
    "a planned shard below 0": in_manifest("shard", -1),
    "a shard that is a text": in_manifest("shard", "zero"),
    "a length below 0": in_manifest("duration_s", -1.0),
    "a clip planned twice": in_manifest("clip_id", "01-01"),
    "no plan": manifest_without_plan,
}


def write_file(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    write_sums(folder)


def other_identity(folder: Path) -> None:
    text = (folder / IDENTITY_FILE).read_text().replace("toy/1", "toy/2")
    write_file(folder, IDENTITY_FILE, text.encode())


def instead(name: str, make: Callable[[Path], object]) -> Spoil:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def to_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unlisted(folder: Path) -> None:
    lines = (folder / SUMS_FILE).read_text().splitlines(keepends=True)
    (folder / SUMS_FILE).write_text("".join(line for line in lines if SHARD not in line))


FILES: dict[str, Spoil] = {
    "a pipe for a shard": instead(SHARD, os.mkfifo),
    "a device for a shard": instead(SHARD, to_zero),
    "a folder for a shard": instead(SHARD, Path.mkdir),
    "a pipe for the index": instead(INDEX_FILE, os.mkfifo),
    "a device for the index": instead(INDEX_FILE, to_zero),
    "a pipe for the manifest": instead(MANIFEST_FILE, os.mkfifo),
    "a device for the manifest": instead(MANIFEST_FILE, to_zero),
    "a pipe for the identity": instead(IDENTITY_FILE, os.mkfifo),
    "a device for the identity": instead(IDENTITY_FILE, to_zero),
    "a pipe for the sums": instead(SUMS_FILE, os.mkfifo),
    "a device for the sums": instead(SUMS_FILE, to_zero),
    "a shard that is not listed": unlisted,
    "sums of a file elsewhere": lambda folder: write_sums(folder, {"../../../etc/passwd": "0" * 64}),
    "sums that are none": lambda folder: write_sums(folder, {SHARD: "x"}),
}

HOSTILE: dict[str, Spoil] = {
    **STORAGE, **SHAPES, **NAMES, **DOCUMENTS, **COLUMNS, **INDEX, **MANIFEST, **FILES
}  # fmt: skip


def tree(folder: Path, without: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if without not in path.parents and path != without}


def read_all(folder: Path) -> list[np.ndarray]:
    cache = open_cache(folder)
    return cache.read(cache.clip_ids)


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_command_refuses_it_in_one_line(
    kind: str, honest: Path, tmp_path: Path, here: Callable[..., Any]
) -> None:
    folder = Path(shutil.copytree(honest, tmp_path / "given" / "cache"))
    HOSTILE[kind](folder)
    out = tmp_path / "a" / "b" / "out"
    out.parent.mkdir(parents=True)
    before = tree(tmp_path, out)
    for arguments in (
        ("cache", "info", folder),
        ("cache", "verify", folder),
        ("cache", "convert", folder, "--layers", "1", "--out", out),
        ("fit-heads", "--cache", folder, "--head", "logreg", "--out", out / "run"),
    ):
        done = here(*arguments)
        assert done.returncode == 1, (arguments, done)
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1 or arguments[1] == "verify", done.stderr
        assert str(folder) in done.stderr
    with pytest.raises(CacheError, match=str(folder)):
        read_all(folder)
    assert tree(tmp_path, out) == before


def test_there_are_at_least_sixty() -> None:
    parts = (STORAGE, SHAPES, NAMES, DOCUMENTS, COLUMNS, INDEX, MANIFEST, FILES)
    assert len(HOSTILE) == sum(map(len, parts)) >= 60


def test_an_honest_cache_that_is_signed_anew_passes_all_of_it(
    honest: Path, tmp_path: Path, here: Callable[..., Any]
) -> None:
    folder = Path(shutil.copytree(honest, tmp_path / "cache"))
    change_shard(folder, lambda file: set_document(file, "about", lambda document: document | {"encoder": "My net+"}))
    sign(folder)
    change_manifest(folder, lambda table: table)
    assert verify_cache(folder) == []
    cache, original = open_cache(folder), open_cache(honest)
    for clip_id in original.clip_ids:
        np.testing.assert_array_equal(cache.read([clip_id], verify=True)[0], original[clip_id])
    assert here("cache", "info", folder).returncode == 0
    assert here("cache", "convert", folder, "--layers", "1", "--out", tmp_path / "out").returncode == 0
    run = here("fit-heads", "--cache", folder, "--head", "logreg", "--out", tmp_path / "run")
    assert run.returncode == 0, run.stderr


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(honest: Path, tmp_path: Path, here: Callable[..., Any]) -> None:
    folder = Path(shutil.copytree(honest, tmp_path / "cache"))
    (folder / LOCK_FILE).unlink()
    (folder / LOCK_FILE).symlink_to(tmp_path / "made")
    done = here("cache", "rebuild-index", folder)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("is not a regular file; delete it")
    (folder / LOCK_FILE).unlink()
    os.mkfifo(folder / LOCK_FILE)
    assert here("cache", "rebuild-index", folder).returncode == 1
    assert not (tmp_path / "made").exists()
