"""Heads are fetched whole and checked, kept by their commit, and loaded from addresses and from the hub's own cache."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import snapshot_download

import ravfeat
from ravfeat.errors import HeadError, RavfeatError, RemoteError, UsageError
from ravfeat.published.format import HEAD_FILE
from ravfeat.published.publish import publish_head
from ravfeat.published.pull import find_head, local_head, pull_head
from ravfeat.remote import base
from tests.loopback import serving
from tests.published.hostile import CLIPS, LOGREG, Place, put, sign, toml
from tests.published.places import FilesHandler, FilesServer, files_of
from tests.toyhub import READ_TOKEN, WRITE_TOKEN, Hub, serve, use_hub

NAME = "somebody/heads"
ADDRESS = f"hf://{NAME}"


@pytest.fixture(scope="module")
def filled(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with the head. Read only."""
    with serve() as hub, pytest.MonkeyPatch.context() as patch:
        use_hub(patch, hub.url, tmp_path_factory.mktemp("home"), WRITE_TOKEN)
        publish_head(place.head, ADDRESS)
        yield hub


@pytest.fixture
def hub(filled: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The hub as it was, for somebody without a token, with an empty cache folder."""
    monkeypatch.setattr(base, "WAITS_S", [0.0])
    monkeypatch.setenv("RAVFEAT_CACHE_HOME", str(tmp_path / "kept"))
    use_hub(monkeypatch, filled.url, tmp_path / "home")
    repository = filled.repository(NAME)
    commits, refs = {sha: dict(tree) for sha, tree in repository.commits.items()}, dict(repository.refs)
    filled.requests.clear()
    yield filled
    repository.commits, repository.refs, repository.private = commits, refs, False
    filled.faults.drop_after = None


def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "home")


# --- pulled


def test_what_was_published_comes_down_byte_for_byte(hub: Hub, place: Place, tmp_path: Path) -> None:
    pulled = pull_head(ADDRESS, out=tmp_path / "heads")
    assert pulled.path == tmp_path / "heads" / "head"
    assert files_of(pulled.path) == files_of(place.head)
    assert pulled.origin == {"address": ADDRESS, "commit": hub.repository(NAME).refs["main"]}
    assert pulled.n_files == len(files_of(place.head)) - 2  # but for head.toml and card.md
    caches = list(place.caches)
    ours, theirs = (ravfeat.load_head(path).predict(caches, CLIPS) for path in (place.head, pulled.path))
    np.testing.assert_array_equal(ours, theirs)


def test_what_is_here_is_not_fetched_again_and_another_is_kept(hub: Hub, place: Place, tmp_path: Path) -> None:
    pull_head(ADDRESS, out=tmp_path)
    hub.requests.clear()
    assert pull_head(ADDRESS, out=tmp_path).n_files == 0
    assert hub.fetched == {HEAD_FILE}
    put(HEAD_FILE, "data_terms", "mine")(tmp_path / "head")
    with pytest.raises(UsageError, match="already holds a published head; choose another --out"):
        pull_head(ADDRESS, out=tmp_path)
    assert pull_head(ADDRESS, out=tmp_path, force=True).n_files
    assert files_of(tmp_path / "head") == files_of(place.head)


def test_a_web_server_is_a_source_too(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    server = FilesServer()
    server.folder = place.head
    with serving(FilesHandler, server):
        assert files_of(pull_head(server.url, out=tmp_path).path) == files_of(place.head)


def test_what_breaks_off_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.faults.drop_after = 1000
    with pytest.raises(RemoteError):
        pull_head(ADDRESS, out=tmp_path / "heads")
    assert [path.name for path in tmp_path.glob("heads/*")] == []
    assert [path.name for path in tmp_path.glob("heads/.*")] == []


def test_killed_in_the_middle_and_run_again_it_is_whole(place: Place, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ravfeat.published import pull; from ravfeat.remote import base\n"
        "read, names = base.Store.read_whole, []\n"
        "def dying(store, name, limit):\n"
        "    names.append(name)\n"
        "    if len(names) == 9:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return read(store, name, limit)\n"
        "base.Store.read_whole = dying\n"
        "pull.pull_head(sys.argv[1], out=Path(sys.argv[2]))\n"
    )
    out = tmp_path / "heads"
    done = subprocess.run([sys.executable, "-c", code, str(place.head), str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = out.iterdir()
    assert left.name.startswith(".head.")
    assert files_of(pull_head(str(place.head), out=out).path) == files_of(place.head)
    assert [path.name for path in out.iterdir()] == ["head"]


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("hf://somebody/nothing", "hf auth login"),
        (f"{ADDRESS}@none", "no such revision"),
        ("hf://datasets/somebody/heads", "not there"),
        ("hf://heads", "no address on the hub"),
    ],
)
def test_what_is_not_there_is_said(hub: Hub, tmp_path: Path, address: str, match: str) -> None:
    with pytest.raises(RavfeatError, match=match):
        pull_head(address, out=tmp_path)


def test_a_private_head_needs_a_token(hub: Hub, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repository(NAME).private = True
    with pytest.raises(RavfeatError, match="hf auth login"):
        pull_head(ADDRESS, out=tmp_path)
    use_hub(monkeypatch, hub.url, tmp_path / "home", READ_TOKEN)
    assert files_of(pull_head(ADDRESS, out=tmp_path).path) == files_of(place.head)


def test_without_a_network_that_is_said(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, tmp_path)
    with pytest.raises(RemoteError, match=r"could not be reached .*check the network"):
        pull_head(ADDRESS, out=tmp_path)


# --- hostile


def listing(name: str) -> Callable[[Path], None]:
    """Let head.toml list one more file."""
    return toml(HEAD_FILE, lambda about: about["files"].update({name: "0" * 64}))


LIE = [{"address": "x\x1b[2J", "commit": "0" * 40}]
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a newer format": (put(HEAD_FILE, "format_version", 99), "has format .* version 99, this ravfeat reads"),
    "its name leads out": (put(HEAD_FILE, "name", "../../home"), r"name is '\.\./\.\./home', expected a plain name"),
    "a file leads out": (listing("folds/../x.toml"), r"has no 'folds/\.\./x\.toml'"),
    "a hidden file": (listing("folds/.a/x.toml"), r"has no 'folds/\.a/x\.toml'"),
    "a file is not there": (listing("folds/a/b.toml"), "has no 'folds/a/b.toml', which its head.toml lists"),
    "a wrong digest": (lambda _: None, "clips.json does not match its digest in head.toml"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_head_is_refused_and_nothing_is_left(place: Place, tmp_path: Path, case: str) -> None:
    change, match = HOSTILE[case]
    source = Path(shutil.copytree(place.head, tmp_path / "deep" / "source"))
    change(source)
    sign(source)
    if case == "a wrong digest":
        put("clips.json", "0.fold", 77)(source)
    out = tmp_path / "deep" / "out"
    with pytest.raises(HeadError, match=match):
        pull_head(str(source), out=out / "heads")
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} <= {"source", "out"}
    assert [path for path in out.rglob("*") if path.name != "heads"] == []


def test_a_name_that_leads_out_is_not_asked_of_a_server_that_lists_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    server = FilesServer()
    server.folder = Path(shutil.copytree(place.head, tmp_path / "source"))
    listing("folds/../x.toml")(server.folder)
    sign(server.folder)
    with serving(FilesHandler, server), pytest.raises(RemoteError, match=r"is '\.\.', expected a plain name"):
        pull_head(server.url, out=tmp_path / "heads")
    assert not any(".." in request.path for request in server.requests)


def test_what_is_no_file_of_a_head_is_not_fetched(place: Place, tmp_path: Path) -> None:
    source = Path(shutil.copytree(place.head, tmp_path / "source"))
    (source / "clip.wav").write_bytes(b"RIFF")
    listing("clip.wav")(source)
    sign(source)
    pulled = pull_head(str(source), out=tmp_path / "heads")
    assert files_of(source).keys() - files_of(pulled.path).keys() == {"clip.wav"}


def test_an_origin_that_would_move_the_cursor_is_refused(place: Place, tmp_path: Path) -> None:
    source = Path(shutil.copytree(place.head, tmp_path / "source"))
    put(HEAD_FILE, "made_from", LIE)(source)
    sign(source)
    with pytest.raises(HeadError, match=r"made_from: address is 'x\\x1b\[2J', expected one such as hf://"):
        ravfeat.load_head(source)


def test_a_file_that_is_too_large_is_not_fetched(place: Place, tmp_path: Path) -> None:
    source = Path(shutil.copytree(place.head, tmp_path / "source"))
    os.truncate(source / f"{LOGREG}.safetensors", (2 << 30) + 1)  # sparse
    with pytest.raises(HeadError, match=r"safetensors has 2\.15 GB, expected at most 2\.15 GB"):
        pull_head(str(source), out=tmp_path / "heads")


@pytest.mark.parametrize("web", [False, True])
def test_a_head_that_never_ends_is_not_fetched(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, web: bool
) -> None:
    monkeypatch.setattr("ravfeat.published.pull.MAX_BYTES", 10_000)
    monkeypatch.setenv("no_proxy", "*")
    server = FilesServer()
    server.folder = place.head
    with serving(FilesHandler, server), pytest.raises(HeadError, match=r"have more than 10 kB; no head is that large"):
        pull_head(server.url if web else str(place.head), out=tmp_path / "heads")
    assert server.sent() < 10_000 + 50_000 + (place.head / HEAD_FILE).stat().st_size
    assert not list((tmp_path / "heads").glob("*"))


def test_a_disk_that_is_too_small_is_found_first(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.published.pull.shutil.disk_usage", lambda _: Full())
    with pytest.raises(HeadError, match=r"has .* kB, and .* has 0.01 kB free; make room"):
        pull_head(str(place.head), out=tmp_path / "heads")


class Full:
    """A disk with ten bytes."""

    free = 10


# --- loaded from where it is


def test_it_is_loaded_from_its_address_and_kept_by_its_commit(hub: Hub, place: Place) -> None:
    head = ravfeat.load_head(ADDRESS, sources=["refit"])
    assert list(head.models) == ["refit"]
    assert head.path.name == hub.repository(NAME).refs["main"]
    hub.requests.clear()
    assert ravfeat.load_head(ADDRESS).path == head.path
    assert hub.fetched == {HEAD_FILE}


def test_a_commit_that_is_here_needs_no_network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha = hub.repository(NAME).refs["main"]
    folder = local_head(f"{ADDRESS}@{sha}")
    hub.requests.clear()
    assert local_head(f"{ADDRESS}@{sha}") == folder
    assert not hub.requests
    offline(monkeypatch, tmp_path)
    assert local_head(f"{ADDRESS}@{sha}") == folder
    with pytest.raises(RemoteError, match="could not be reached"):
        local_head(ADDRESS)  # of a branch that nobody asked for before, nothing is known


def test_offline_what_is_here_is_taken_and_nobody_asked(hub: Hub) -> None:
    with pytest.raises(
        HeadError, match=r"hf://somebody/heads is not on this machine; pull it where there is a network"
    ):
        find_head(ADDRESS, offline=True)
    assert not hub.requests
    folder = find_head(ADDRESS)
    hub.requests.clear()
    assert find_head(ADDRESS, offline=True) == folder
    assert not hub.requests


def test_without_a_network_the_last_one_is_taken_and_that_is_said(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = local_head(ADDRESS)
    offline(monkeypatch, tmp_path)
    assert local_head(ADDRESS) == folder
    assert re.search(r"could not be reached.*the head that was fetched before is taken", caplog.text)


def test_a_new_commit_is_fetched_and_the_old_one_stays(hub: Hub, place: Place, tmp_path: Path) -> None:
    first = hub.repository(NAME).refs["main"]
    copy = Path(shutil.copytree(place.head, tmp_path / "copy"))
    put(HEAD_FILE, "check", "another")(copy)
    sign(copy)
    old = local_head(ADDRESS)
    hub.repository(NAME).commit({HEAD_FILE: (copy / HEAD_FILE).read_bytes()})
    assert ravfeat.load_head(ADDRESS).about["check"] == "another"
    assert ravfeat.load_head(f"{ADDRESS}@{first}").path == old


def test_a_snapshot_of_the_hubs_client_is_loaded_as_it_lies(hub: Hub, place: Place, tmp_path: Path) -> None:
    snapshot = Path(snapshot_download(NAME, cache_dir=tmp_path / "hub"))
    assert (snapshot / f"{LOGREG}.safetensors").is_symlink()
    np.testing.assert_array_equal(
        ravfeat.load_head(snapshot).predict(list(place.caches), CLIPS),
        ravfeat.load_head(place.head).predict(list(place.caches), CLIPS),
    )


def test_a_link_out_of_a_snapshot_is_refused(hub: Hub, place: Place, tmp_path: Path) -> None:
    snapshot = Path(snapshot_download(NAME, cache_dir=tmp_path / "hub"))
    (snapshot / "clips.json").unlink()
    (snapshot / "clips.json").symlink_to(place.head / "clips.json")
    with pytest.raises(HeadError, match=r"clips\.json is a link that leads out of the folder"):
        ravfeat.load_head(snapshot)
    # Nor does a folder of another name have blobs.
    renamed = snapshot.rename(snapshot.with_name("copy"))
    with pytest.raises(HeadError, match="is a link that leads out of the folder"):
        ravfeat.load_head(renamed)
