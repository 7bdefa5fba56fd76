"""Which files are meant, and what they add up to."""

import pytest

from ravfeat.errors import CorpusError
from ravfeat.importers.input_files import content_digest, find_files


def test_a_folder_is_searched_for_files_of_one_kind(tmp_path) -> None:
    for name in ("b/2.csv", "a/1.CSV", "a/notes.txt", "a/.hidden.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = find_files(tmp_path)
    assert (files.kind, files.names, files.root) == ("CSV", ("a/1.CSV", "b/2.csv"), tmp_path)


def test_a_single_file_is_relative_to_its_folder(tmp_path) -> None:
    (tmp_path / "x.pq").touch()
    assert find_files(tmp_path / "x.pq").names == ("x.pq",)


@pytest.mark.parametrize(
    ("names", "path", "message"),
    [
        (["x.npz", "y.csv"], ".", r"holds 1 CSV and 1 npz files; expected files of one kind"),
        (["x.txt"], ".", r"holds no feature file: expected files that end in \.npz"),
        (["x.txt"], "x.txt", r"x\.txt is no feature file: expected the ending \.npz, \.csv"),
        ([], "nowhere", r"nowhere does not exist"),
    ],
)
def test_what_is_no_set_of_features_is_refused(names, path, message, tmp_path) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(CorpusError, match=message):
        find_files(tmp_path / path)


def test_the_digest_is_of_contents_and_not_of_places(tmp_path) -> None:
    for folder, names in (("one", "ab"), ("other", "zy")):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            (tmp_path / folder / f"{name}.npz").write_bytes(bytes([number]))
    one, other = find_files(tmp_path / "one"), find_files(tmp_path / "other")
    assert content_digest(one, "x", named=True) == content_digest(other, "x", named=True)
    assert content_digest(one, "x", named=True) != content_digest(one, "y", named=True)
    # Where a file's name is its clip's, the name is a part of what is brought.
    assert content_digest(one, "x", named=False) != content_digest(other, "x", named=False)
    (tmp_path / "one/a.npz").write_bytes(b"changed")
    assert content_digest(one, "x", named=True) != content_digest(other, "x", named=True)
