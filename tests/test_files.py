"""Files that are whole or not there."""

import errno
import os
from pathlib import Path

import pytest

from ravfeat.errors import CacheError
from ravfeat.files import canonical_json, check_name, describe_stand_in, flush, replace_file, sha256_of


def test_a_replaced_file_holds_the_new_bytes_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    replace_file(path, b"old")
    replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_where_the_disk_is_full_the_old_bytes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "x.bin"
    replace_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "x.bin", []
    flush = os.fsync

    def watch(handle: int) -> None:
        seen.append((path.exists(), os.fstat(handle).st_size))
        flush(handle)

    monkeypatch.setattr(os, "fsync", watch)
    replace_file(path, b"12345")
    assert seen[0] == (False, 5)
    assert len(seen) == 2  # then the folder, for the rename
    assert seen[1][0]


def test_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
            "a Git LFS pointer, not the model; fetch it",
        ),
        (b"/annex/objects/SHA256E-s12--ab.bin", "a git-annex pointer, not the model"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "a web page, not the model; download it again"),
    ],
)
def test_a_text_in_place_of_a_file_is_recognised(tmp_path: Path, head: bytes, text: str) -> None:
    (tmp_path / "x").write_bytes(head)
    assert text in describe_stand_in(tmp_path / "x", "model")


@pytest.mark.parametrize("data", [b"", b"{}", b"version 2", b"\x00" * 100])
def test_other_bytes_stand_in_for_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert not describe_stand_in(tmp_path / "x", "model")


def test_equal_values_have_one_text() -> None:
    assert (
        canonical_json({"b": [1, 2.5], "a": "é"})
        == canonical_json({"a": "é", "b": [1, 2.5]})
        == '{"a":"é","b":[1,2.5]}'
    )
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_file_system_that_cannot_flush_folders_still_gets_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse(handle: int) -> None:
        if os.fstat(handle).st_mode & 0o170000 == 0o040000:
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    replace_file(tmp_path / "x.bin", b"new")
    assert (tmp_path / "x.bin").read_bytes() == b"new"

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        flush(tmp_path)


@pytest.mark.parametrize(
    "name", ["wavlm-large", "a+b@corpus-normalised", "published-1:seed0", "My model", "模型", "a..b"]
)
def test_a_plain_name_passes(name: str) -> None:
    assert check_name(name, "the encoder", CacheError, "rename it") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b",
        "a\\b",
        ".ssh",
        "a\0b",
        "a\nb",
        "\x1b[31m",
        "\u202eb",
        "\ud800",
        "é" * 101,
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused_in_printable_characters(name: str) -> None:
    with pytest.raises(CacheError, match=r"the encoder is .*, expected a plain name: .*; rename it") as raised:
        check_name(name, "the encoder", CacheError, "rename it")
    assert str(raised.value).isprintable()
