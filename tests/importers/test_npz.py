"""Features in npz files."""

import io
import zipfile

import numpy as np
import pytest

from ravfeat.errors import CorpusError, MediaError, UsageError
from ravfeat.importers.input_files import find_files
from ravfeat.importers.npz import NpzFiles
from ravfeat.importers.npz_layout import read_layout


def test_each_clip_owns_its_rows_and_what_is_said_of_them(save) -> None:
    x = np.arange(24, dtype=np.int16).reshape(6, 2, 2)
    path = save(["a", "b"], x=x, frame=np.array([3, 4, 5, 7, 8, 9]), success=np.array([1, 1, 0, 1, 1, 1]))
    files = NpzFiles(find_files(path))
    assert (files.array, files.shape, files.timed, files.named) == ("x", (2, 2), "frames", True)
    assert [(clip.name, clip.n_frames, clip.rate_hz) for clip in files.clips] == [("a", 3, None), ("b", 3, None)]
    rows = files.read(files.clips[1])
    np.testing.assert_array_equal(rows.values, x[3:])
    assert rows.values.dtype == np.int16
    assert {name: fact.tolist() for name, fact in rows.facts.items()} == {"frame": [7, 8, 9], "found": [1, 1, 1]}


def test_names_without_offsets_mean_one_row_per_clip(save, tmp_path) -> None:
    np.savez(tmp_path / "f.npz", names=np.array([b"a", b"b"]), x=np.eye(2))
    files = NpzFiles(find_files(tmp_path / "f.npz"))
    assert (files.timed, [clip.name for clip in files.clips]) == ("clip", ["a", "b"])
    assert files.read(files.clips[1]).values.tolist() == [[0, 1]]


def test_a_file_without_names_is_one_clip_called_like_the_file(tmp_path) -> None:
    (tmp_path / "one").mkdir()
    for name in ("c", "d"):
        np.savez(tmp_path / "one" / f"{name}.npz", x=np.ones((5, 2)), time_s=np.arange(5) / 10)
    files = NpzFiles(find_files(tmp_path / "one"))
    assert [(clip.name, clip.n_frames, round(clip.rate_hz, 6)) for clip in files.clips] == [("c", 5, 10), ("d", 5, 10)]
    assert (files.timed, files.named) == ("times", False)


def test_the_feature_array_is_the_only_one_of_the_right_length(save) -> None:
    path = save(["a"], x=np.ones((3, 2)), frame=np.arange(3), classes=np.array(["p", "q"]), mean=np.zeros(2))
    assert NpzFiles(find_files(path)).array == "x"


def test_several_arrays_ask_for_a_choice_and_list_them(save) -> None:
    path = save(["a"], x=np.ones((3, 2)), y=np.ones((3, 5), np.float32))
    with pytest.raises(UsageError, match=r"several arrays of 3 rows.*--array: x float64 \(3, 2\), y float32 \(3, 5\)"):
        NpzFiles(find_files(path))
    assert NpzFiles(find_files(path), "y").shape == (5,)
    with pytest.raises(UsageError, match="--array z names no array of numbers of 3 rows; there are x float64"):
        NpzFiles(find_files(path), "z")


def test_objects_are_never_loaded(tmp_path, save) -> None:
    np.savez(tmp_path / "o.npz", names=np.array(["a"], object), x=np.ones((1, 2)))
    with pytest.raises(CorpusError, match=r"'names' is an array of Python objects.*np\.array\(names, dtype=str\)"):
        NpzFiles(find_files(tmp_path / "o.npz"))
    path = save(["a"], x=np.array([None] * 3, object))
    with pytest.raises(CorpusError, match=r"holds no array of numbers of 3 rows; there are .*x object"):
        NpzFiles(find_files(path))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"offsets": np.array([0, 3])}, "'offsets' is int64 of shape .* expected 3 integers that start with 0"),
        ({"offsets": np.array([0, 4, 3])}, "never fall"),
        ({"offsets": np.array([1, 2, 6])}, "start with 0"),
        ({"offsets": np.array([0.0, 3.0, 6.0])}, "integers"),
        ({"names": np.array([1, 2])}, "'names' is int64 .* expected one text per clip"),
        ({"frame": np.arange(5)}, r"'frame' is int64 \(5,\); expected one number for each of 6 rows"),
        ({"x": np.ones((7, 2))}, "holds no array of numbers of 6 rows"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(arrays, message, save) -> None:
    path = save(["a", "b"], **({"x": np.ones((6, 2))} | arrays))
    with pytest.raises(CorpusError, match=message):
        NpzFiles(find_files(path))


def test_files_of_one_folder_have_one_layout(save, tmp_path) -> None:
    save(["a"], "all/1.npz", x=np.ones((3, 2)))
    save(["b"], "all/2.npz", x=np.ones((3, 4)))
    with pytest.raises(CorpusError, match=r"2\.npz and .*1\.npz differ: 'x' has shape \(4,\) in one, 'x' has \(2,\)"):
        NpzFiles(find_files(tmp_path / "all"))
    save(["b"], "all/2.npz", x=np.ones((3, 2)), found=np.ones(3))
    with pytest.raises(CorpusError, match=r"2\.npz says \['found'\] of every row, .*1\.npz says \[\]"):
        NpzFiles(find_files(tmp_path / "all"))


def test_a_damaged_file_is_named(save, tmp_path) -> None:
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"text\.npz cannot be read as npz"):
        NpzFiles(find_files(tmp_path / "text.npz"))
    path = save()
    files = NpzFiles(find_files(path))
    path.unlink()
    with pytest.raises(MediaError, match=r"features\.npz cannot be read"):
        files.read(files.clips[0])


def test_an_array_that_unpacks_to_much_more_than_the_file_holds_is_refused(tmp_path) -> None:
    np.savez_compressed(tmp_path / "a.npz", features=np.zeros((1 << 18, 128), np.float32))
    assert (tmp_path / "a.npz").stat().st_size < 200_000
    with pytest.raises(CorpusError, match=r"a\.npz: 'features' has \d+ bytes and claims 134217856; do not use"):
        read_layout(tmp_path / "a.npz", "a.npz")


def test_an_array_that_claims_more_rows_than_it_has_is_refused_before_they_are_allocated(tmp_path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 128)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("features.npy", header.getvalue() + bytes(512))
    with pytest.raises(CorpusError, match=rf"'features' has \d+ bytes and claims {(1 << 40) * 512}; do not use"):
        read_layout(tmp_path / "a.npz", "a.npz")
