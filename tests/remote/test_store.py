"""Stores: addresses, reads of ranges, whole writes, names, retries; every kind behaves alike."""

import importlib
import os
import sys
import time
from pathlib import Path

import pytest

from ravfeat.errors import RemoteError
from ravfeat.remote import base
from ravfeat.remote.base import shown
from ravfeat.remote.http_store import ZenodoStore
from ravfeat.remote.store import MissingFileError, NoRangesError, Store, is_remote, open_store
from tests.objectstore import ObjectStore
from tests.remote.conftest import WebServer


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty folder in every kind of store that can be written to."""
    if request.param == "s3":
        request.getfixturevalue("objects")
        address = f"s3://shelf/{tmp_path.name}"
    else:
        address = {"folder": f"{tmp_path}/a", "file": f"file://{tmp_path}/a", "memory": f"memory://{tmp_path}/a"}[
            request.param
        ]
    return open_store(address)


def test_what_is_written_is_listed_and_read(store: Store) -> None:
    assert store.sizes() == {}
    assert store.write("a.bin", b"0123456789")
    assert store.write("heads/b.json", b"{}")
    assert store.sizes() == {"a.bin": 10, "heads/b.json": 2}
    assert store.read("a.bin") == b"0123456789"
    assert store.read("a.bin", 2, 5) == b"234"
    assert store.read("a.bin", 7) == b"789"
    store.delete("a.bin")
    store.delete("a.bin")
    assert store.sizes() == {"heads/b.json": 2}


def test_a_local_file_is_written_whole(store: Store, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"abc" * 1000)
    store.write_all({"a": tmp_path / "local", "b": b"1"}, "both")
    assert store.sizes() == {"a": 3000, "b": 1}


def test_new_files_replace_none_and_others_do(store: Store) -> None:
    assert store.write("a", b"1", new=True)
    assert not store.write("a", b"2", new=True)
    assert store.read("a") == b"1"
    assert store.write("a", b"3")
    assert store.read("a") == b"3"


def test_too_little_too_much_and_nothing_are_errors(store: Store) -> None:
    store.write("a", b"0123456789")
    store.write("empty", b"")
    with pytest.raises(RemoteError, match="a gave 2 of 5 bytes from byte 8 on: it is shorter than it should be"):
        store.read("a", 8, 13)
    with pytest.raises(RemoteError, match="a has more than the 5 bytes expected"):
        store.read_whole("a", 5)
    with pytest.raises(MissingFileError, match="b is not there; check the"):
        store.read("b")
    assert store.read_whole("empty", 5) == b""
    with pytest.raises(RemoteError, match="bytes at once are more than are ever read"):
        store.read("a", 0, 1 << 40)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", ".lock", "a/b/c/d", "a\\b", "a\nb", "", "a/.b", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(store: Store, name: str) -> None:
    for call in (store.read, store.delete, lambda name: store.write(name, b"1")):
        with pytest.raises(RemoteError, match="expected a plain name"):
            call(name)


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "a").touch()
    assert open_store(tmp_path).sizes() == {"a": 0}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RemoteError, match="file/a"):
        open_store(tmp_path / "file").write("a", b"1")
    with pytest.raises(RemoteError, match="No space left on device; make room"):
        open_store("/dev/full").write("a", b"1") if not Path("/dev/full").exists() else _full(tmp_path)


def _full(tmp_path: Path) -> None:
    from ravfeat.remote import folder_store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_store, "flush", lambda path: _raise(OSError(28, "No space left on device")))
        try:
            open_store(tmp_path).write("a", b"1")
        finally:
            assert not [path for path in tmp_path.iterdir() if path.name != "file"]


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("text", "remote"),
    [("hf://a/b", True), ("s3://a", True), ("memory://x", True), ("file:///a", True), ("https://a/b", True),
     ("C:\\cache", False), ("cache/ravdess", False), ("a:b", False), (Path("hf://a/b"), True), ("/abs", False)],
)  # fmt: skip
def test_addresses_are_told_from_paths(text, remote) -> None:
    assert is_remote(text) is remote


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("nonsense://a/b", "no address that can be read"),
        ("s3://", "names no folder"),
        ("hf://datasets/onlyone", "no address on the hub; expected hf://datasets/USER/NAME"),
        ("hf://datasets/a/b@c@d", "no address on the hub"),
        ("https:///x", "expected https://HOST/FOLDER"),
        ("file://relative/x", "no address of a folder"),
        ("", "'' is no address; expected hf://datasets/USER/NAME"),
        ("https://me:secret@host/x", r"^https://host/x: user and password in an address are not sent; leave them out"),
    ],
)
def test_addresses_that_are_none_are_refused(address: str, match: str) -> None:
    with pytest.raises(RemoteError, match=match):
        open_store(address)


def test_a_revision_goes_with_the_hub_alone(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="keeps no revisions"):
        open_store(tmp_path, revision="main")
    with pytest.raises(RemoteError, match="only once"):
        open_store("hf://datasets/a/b@c", revision="main")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)
    with pytest.raises(RemoteError, match=r"pip install 'ravfeat\[s3\]'"):
        open_store("s3://shelf/x")


def test_credentials_are_not_shown() -> None:
    assert shown("https://me:secret@host/a?token=x") == "https://host/a"
    assert shown("s3://key:secret@bucket/a/") == "s3://bucket/a"


def test_a_store_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ObjectStore("http://127.0.0.1:9").environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    from s3fs import S3FileSystem

    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with pytest.raises(RemoteError, match=r"could not be reached .* check the network and run this again"):
        open_store("s3://away/x").read("a")
    S3FileSystem.clear_instance_cache()  # it remembers the server that is away


# --- web servers


def test_a_web_server_gives_ranges_with_one_request(web: WebServer) -> None:
    (web.folder / "a").write_bytes(b"0123456789")
    store = open_store(web.url)
    assert store.read("a", 2, 5) == b"234"
    assert store.read("a") == b"0123456789"
    assert web.asked == [("a", "bytes=2-4"), ("a", "")]
    assert web.sent() == 13
    with pytest.raises(MissingFileError, match="b is not there"):
        store.read("b")
    with pytest.raises(RemoteError, match="has more than the 4 bytes"):
        store.read_whole("a", 4)
    with pytest.raises(RemoteError, match="a web server lists no files"):
        store.sizes()
    with pytest.raises(RemoteError, match="nothing can be written there"):
        store.write("a", b"")


def test_a_server_without_ranges_is_known_before_the_whole_file_came(web: WebServer) -> None:
    (web.folder / "a").write_bytes(b"0123456789")
    web.faults.ignore_ranges = True
    with pytest.raises(NoRangesError, match="gives whole files only"):
        open_store(web.url).read("a", 2, 5)


def test_what_breaks_off_or_is_busy_is_asked_again(web: WebServer) -> None:
    (web.folder / "a").write_bytes(b"0123456789")
    web.faults.drop_after, web.faults.drops = 4, 2
    assert open_store(web.url).read("a", 0, 8) == b"01234567"
    assert len(web.asked) == 3
    web.faults.drops = 3
    with pytest.raises(RemoteError, match="broke off after 4 of 10 bytes"):
        open_store(web.url).read("a")
    web.requests.clear()
    web.faults.statuses = [503, 503, 503]
    with pytest.raises(RemoteError, match=r"cannot be read now .*503"):
        open_store(web.url).read("a")
    assert len(web.asked) == 3


def test_no_permission_is_said_at_once(web: WebServer) -> None:
    (web.folder / "a").touch()
    web.faults.statuses = [403]
    with pytest.raises(RemoteError, match=r"access refused .*403.*; log in"):
        open_store(web.url).read("a")
    assert len(web.asked) == 1


def test_redirections_to_other_kinds_of_addresses_and_without_end_are_refused(web: WebServer) -> None:
    web.elsewhere = "file:///etc"
    with pytest.raises(RemoteError, match=r"cannot be read .*file:///etc/passwd"):
        open_store(web.url).read("passwd")
    web.elsewhere = web.url
    with pytest.raises(RemoteError, match="cannot be read"):
        open_store(web.url).read("a")
    assert len(web.asked) < 40


def test_zenodo_lists_a_record(web: WebServer) -> None:
    for path in ("api/records", "records/7/files"):
        (web.folder / path).mkdir(parents=True)
    (web.folder / "api/records/7").write_text('{"files": [{"key": "a", "size": 3}, {"key": "../b", "size": 1}]}')
    (web.folder / "records/7/files/a").write_bytes(b"abc")
    store = ZenodoStore("7", web.url)
    assert store.sizes() == {"a": 3}
    assert store.read("a", 1, 3) == b"bc"


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "SHA256SUMS")
    with pytest.raises(RemoteError, match="SHA256SUMS is not a regular file"):
        open_store(tmp_path).read("SHA256SUMS")


def test_an_object_store_that_is_away_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y"}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(base, "WAITS_S", [])
    started = time.monotonic()
    with pytest.raises(RemoteError, match="could not be reached"):
        open_store("s3://shelf/x").read("a")
    assert time.monotonic() - started < 15
