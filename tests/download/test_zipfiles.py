"""Unpacking archives that cannot be trusted."""

import os
import random
import stat
import zipfile
from pathlib import Path

import pytest

from ravfeat.download.zipfiles import unpack
from ravfeat.errors import DownloadError


def pack(path: Path, entries: dict[str, bytes], *, mode: int = 0) -> Path:
    """Write a real zip whose entries carry exactly these names and this Unix mode."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo cleans names; an attacker does not
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home" / "target").mkdir(parents=True)
    return tmp_path / "home" / "target"


def test_wanted_files_are_unpacked_where_they_are_wanted(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"top/": b"", "top/one.wav": b"1" * 70000, "top/two.txt": b"2"})
    places = unpack(archive, folder, lambda name: Path("x") / Path(name).name if name.endswith(".wav") else None)
    assert places == [Path("x/one.wav")]
    assert below(folder) == {"x", "x/one.wav"}
    assert (folder / "x/one.wav").read_bytes() == b"1" * 70000


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../evil.wav", "leads out of the folder"),
        ("Actor_01/../../evil.wav", "leads out of the folder"),
        ("/etc/evil.wav", "absolute path"),
        ("C:/evil.wav", "absolute path"),
        ("..\\evil.wav", "no honest path"),
        ("good.wav\0/../evil.wav", "leads out of the folder"),
        ("good.wav\0.txt", "no honest path"),
    ],
)
def test_an_entry_that_would_escape_is_refused_by_name(folder: Path, tmp_path: Path, name: str, problem: str) -> None:
    archive = pack(tmp_path / "a.zip", {"good.wav": b"1", name: b"2"})
    before = below(tmp_path)
    with pytest.raises(DownloadError, match=rf"a\.zip: the entry .*(good|evil).* {problem}.*nothing was unpacked"):
        unpack(archive, folder, Path)
    assert below(tmp_path) == before


@pytest.mark.parametrize(("mode", "problem"), [(stat.S_IFLNK | 0o777, "symbolic link"), (stat.S_IFIFO, "special file")])
def test_links_and_special_files_are_refused(folder: Path, tmp_path: Path, mode: int, problem: str) -> None:
    archive = pack(tmp_path / "a.zip", {"link.wav": b"/etc/passwd"}, mode=mode)
    with pytest.raises(DownloadError, match=rf"'link\.wav' is a {problem}"):
        unpack(archive, folder, Path)
    assert below(folder) == set()


def test_an_entry_nobody_wants_is_checked_all_the_same(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"good.wav": b"1", "../evil.txt": b"2"})
    with pytest.raises(DownloadError, match="leads out"):
        unpack(archive, folder, lambda name: Path(name) if name == "good.wav" else None)
    assert below(folder) == set()


def test_an_encrypted_entry_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"one.wav": b"1"})
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the flags in the central directory
    archive.write_bytes(raw)
    with pytest.raises(DownloadError, match=r"'one\.wav' is encrypted"):
        unpack(archive, folder, Path)


def test_two_entries_for_one_place_are_refused(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"a/one.wav": b"1", "b/one.wav": b"2"})
    with pytest.raises(DownloadError, match=r"'a/one\.wav' and 'b/one\.wav' both want to be one\.wav"):
        unpack(archive, folder, lambda name: Path(Path(name).name))


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("one.wav", b"1")
        file.filelist[0].file_size = 1 << 60  # goes into the central directory when the archive is closed
    with pytest.raises(DownloadError, match=r"unpacks to 1152921504607 MB, .* has \d+ MB free"):
        unpack(tmp_path / "a.zip", folder, Path)
    assert below(folder) == set()


def test_a_bomb_is_refused_before_it_goes_off(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"one.wav": bytes(80 << 20)})
    assert archive.stat().st_size < 100_000
    with pytest.raises(DownloadError, match=r"a\.zip has \d+ bytes and unpacks to 84 MB; nothing was unpacked"):
        unpack(archive, folder, Path)
    assert below(folder) == set()


@pytest.mark.parametrize("name", ["", "/", ".", "./"])
def test_an_entry_without_a_name_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "a.zip", {"good.wav": b"1", name: b"2"})
    with pytest.raises(DownloadError, match=r"the entry '.*' (has no name|has an absolute path)"):
        unpack(archive, folder, Path)
    assert below(folder) == set()


def test_a_pipe_in_place_of_an_archive_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(DownloadError, match=r"a\.zip is not there, or no regular file"):
        unpack(tmp_path / "a.zip", folder, Path)


def test_what_is_no_archive_is_said_to_be_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_bytes(b"<html>please log in</html>")
    with pytest.raises(DownloadError, match=r"page\.zip is no readable zip archive .*run this again"):
        unpack(tmp_path / "page.zip", folder, Path)


def test_a_damaged_archive_never_passes_as_whole(folder: Path, tmp_path: Path) -> None:
    content = random.Random(0).randbytes(3000) + bytes(3000)
    raw = pack(tmp_path / "a.zip", {"one.wav": content}).read_bytes()
    for trial in range(200):
        rng = random.Random(trial)
        bad = bytearray(raw)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        (tmp_path / "bad.zip").write_bytes(bad)
        room = folder / str(trial)
        room.mkdir()
        try:
            places = unpack(tmp_path / "bad.zip", room, lambda _: Path("one.wav"))
        except DownloadError:
            continue
        # The flip hit something that does not matter, such as a date.
        assert [(room / place).read_bytes() for place in places] in ([content], [])


def test_an_unwritable_place_is_named(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"one.wav": b"1"})
    (folder / "one.wav").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"could not be unpacked into .*File exists"):
        unpack(archive, folder, Path)
    assert (folder / "one.wav").read_bytes() == b"mine"
