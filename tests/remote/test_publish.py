"""Publishing: verified first, checksums last, nothing twice, nothing that is not of the cache."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import SUMS_FILE
from ravfeat.cache.layer_table import LAYERS_FILE
from ravfeat.cache.writer import prepare_cache
from ravfeat.errors import CacheError, RemoteError, UsageError
from ravfeat.remote import publish as module
from ravfeat.remote.folder_store import FolderStore
from ravfeat.remote.publish import PARTIAL_FILE, prepare_publication, publish
from ravfeat.remote.pull import pull_whole
from ravfeat.remote.reading import open_mirror
from ravfeat.remote.store import open_store
from tests.objectstore import ObjectStore
from tests.remote.conftest import CARD
from tests.toyhub import WRITE_TOKEN, serve, use_hub
from tests.writtenshards import write_shards


def test_a_published_folder_is_a_whole_cache_with_its_card(published: Path, local: Path) -> None:
    assert verify_cache(published) == []
    names = {path.name for path in published.iterdir()}
    own = {path.name for path in local.iterdir()} - {".lock"}
    assert names == own | {"README.md", "layers.parquet"}
    assert (published / "README.md").read_text() == CARD


def test_nothing_of_the_folder_changes_and_nothing_else_is_sent(local: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(local, tmp_path / "copy"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "LICENSE").write_text("mine")
    publish(prepare_publication(open_cache(folder)), open_store(tmp_path / "to"), CARD)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before | {"LICENSE": b"mine"}
    assert not (tmp_path / "to" / "LICENSE").exists()


def test_an_interrupted_publishing_goes_on_and_is_no_cache_before_its_end(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, store = prepare_publication(open_cache(local)), open_store(tmp_path / "to")
    write, sent = FolderStore._write, []

    def breaking(self: FolderStore, name: str, data: bytes | Path, *, new: bool) -> bool:
        sent.append(name)
        if name == "shard-00002.h5" and sent.count(name) == 1:
            raise RemoteError("the network is gone")
        return write(self, name, data, new=new)

    monkeypatch.setattr(FolderStore, "_write", breaking)
    with pytest.raises(RemoteError, match="the network is gone"):
        publish(publication, store, CARD)
    assert SUMS_FILE not in store.sizes()
    with pytest.raises(RemoteError, match="its publishing has not ended"):
        open_mirror(store)
    publish(publication, store, CARD)
    assert [sent.count(name) for name in publication.shards] == [1, 1, 2, 1]
    assert sent[-1] == SUMS_FILE
    assert PARTIAL_FILE not in store.sizes()
    sent.clear()
    publish(publication, store, CARD)
    assert sent == ["README.md", SUMS_FILE]


def test_a_damaged_cache_is_refused(local: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(local, tmp_path / "copy"))
    data = bytearray((folder / "shard-00001.h5").read_bytes())
    data[-5000] ^= 1
    (folder / "shard-00001.h5").write_bytes(data)
    with pytest.raises(CacheError, match=r"is not whole, so it is not published:\n  shard-00001.h5"):
        prepare_publication(open_cache(folder))


def test_an_incomplete_cache_is_refused(local: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(local, tmp_path / "cache" / "toy" / local.name))
    cache = open_cache(folder)
    clips = [*cache.planned_manifest, *[clip_of(cache, "more")]]
    prepare_cache(
        tmp_path / "cache", cache.planned_manifest.with_clips(clips), cache.about, cache.identity, lambda _: 1
    )
    with pytest.raises(CacheError, match=r"is not complete: 1 clips are not extracted yet \(more …\)"):
        prepare_publication(open_cache(folder))


def clip_of(cache: object, name: str) -> object:
    return replace(cache.planned_manifest.clips[0], clip_id=name, performance_id=name)  # type: ignore[attr-defined]


def test_of_many_shards_notes_are_made_now_and_then(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, write, sent = prepare_publication(open_cache(local)), FolderStore._write, []

    def noting(self: FolderStore, name: str, data: bytes | Path, *, new: bool) -> bool:
        sent.append(name)
        return write(self, name, data, new=new)

    monkeypatch.setattr(FolderStore, "_write", noting)
    publish(publication, open_store(tmp_path / "to"), CARD)
    assert sent.count(PARTIAL_FILE) == 2
    monkeypatch.setattr(module, "NOTE_EVERY_S", 0.0)
    publish(publication, open_store(tmp_path / "other"), CARD)
    assert sent.count(PARTIAL_FILE) == 2 + 2 + len(publication.shards)


def test_what_is_not_an_older_state_of_the_cache_is_never_replaced(local: Path, small: Path, tmp_path: Path) -> None:
    publication, to = prepare_publication(open_cache(local)), tmp_path / "to"
    publish(prepare_publication(open_cache(small)), open_store(to), CARD)
    before = files(to)
    for layers, corpus, text in (
        (4, "toy", r"features \(identity.json differs\)"),
        (5, "it", r"corpus \(it and toy\)"),
    ):
        other = write_shards(tmp_path / corpus, shards=2, clips=2, frames=9, layers=layers, dim=8, corpus=corpus)
        with pytest.raises(RemoteError, match=rf"to holds a cache of another .*{text}; choose another address"):
            publish(prepare_publication(open_cache(other)), open_store(to), CARD)
    assert files(to) == before
    for name, text in (("README.md", "holds README.md, which was not published by"), (SUMS_FILE, "is not of a cache")):
        folder = tmp_path / f"my-{name}"
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(RemoteError, match=text):
            publish(publication, open_store(folder), CARD)
        assert files(folder) == {name: b"mine"}
    for inside in (local, local / "sub"):
        with pytest.raises(UsageError, match="is the folder of the cache itself, or in it; give another one"):
            publish(publication, open_store(inside), CARD)
    assert not (local / "README.md").exists()


def test_tables_are_replaced_without_checksums_beside_them(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, store = prepare_publication(open_cache(local)), open_store(tmp_path / "to")
    publish(publication, store, CARD)
    changed = publication.tables | {LAYERS_FILE: b"another"}
    digest = hashlib.sha256(b"another").hexdigest()
    seen, write = [], FolderStore._write

    def looking(self: FolderStore, name: str, data: bytes | Path, *, new: bool) -> bool:
        seen.append((name, (self.folder / SUMS_FILE).exists()))
        return write(self, name, data, new=new)

    monkeypatch.setattr(FolderStore, "_write", looking)
    sums = publication.sums | {LAYERS_FILE: digest}
    publish(replace(publication, tables=changed, sums=sums), store, CARD)
    assert dict(seen)[LAYERS_FILE] is False
    assert [name for name, _ in seen][-1] == SUMS_FILE


def test_another_cache_at_the_address_is_not_mixed_with(local: Path, tmp_path: Path) -> None:
    (tmp_path / "to" / "further").mkdir(parents=True)
    (tmp_path / "to" / "further" / "shard-00008.h5").touch()
    publish(prepare_publication(open_cache(local)), open_store(tmp_path / "to"), CARD)
    (tmp_path / "to" / "shard-00009.h5").touch()
    with pytest.raises(RemoteError, match=r"holds shard-00009.h5, which is not of this cache"):
        publish(prepare_publication(open_cache(local)), open_store(tmp_path / "to"), CARD)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of two small shards."""
    return write_shards(tmp_path_factory.mktemp("small"), shards=2, clips=6, frames=20, layers=5, dim=256)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in {".lock", "ORIGIN.json"}}


def test_an_object_store_takes_and_gives_it(objects: ObjectStore, small: Path, tmp_path: Path) -> None:
    store = open_store(f"s3://shelf/{tmp_path.name}")
    publish(prepare_publication(open_cache(small)), store, CARD)
    done = pull_whole(*open_mirror(store), tmp_path / "cache")
    assert files(done.path) == files(small) | {
        name: store.read(name) for name in ("README.md", "layers.parquet", SUMS_FILE)
    }
    assert verify_cache(done.path) == []


def test_a_hub_takes_it_in_commits_and_gives_it_at_one(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "hub", WRITE_TOKEN)
        store = open_store("hf://datasets/somebody/toy")
        publication = prepare_publication(open_cache(small))
        publish(publication, store, CARD)
        repository = hub.repository("somebody/toy")
        assert len(repository.commits) == 3  # made, shards, tables with checksums
        uploads = [request for request in hub.requests if request.path.startswith("/lfs/")]
        publish(publication, open_store("hf://datasets/somebody/toy"), CARD)
        assert len(repository.commits) == 3
        assert len([request for request in hub.requests if request.path.startswith("/lfs/")]) == len(uploads)
        cache, mirror = open_mirror(open_store("hf://datasets/somebody/toy"))
        first = repository.refs["main"]
        # A new commit is never mixed with the one that was opened.
        repository.commit({"shard-00001.h5": b"other", SUMS_FILE: b"other"})
        assert verify_cache(pull_whole(cache, mirror, tmp_path / "cache").path) == []
        again, _ = open_mirror(open_store(f"hf://datasets/somebody/toy@{first}"))
        hub.requests.clear()
        again.read(["clip-000003"], layers=[2])
        assert [request.path.rpartition("/")[2] for request in hub.requests] == ["shard-00000.h5"] * 2  # one redirect
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(RemoteError, match=r"is not there, or you may not see it|access refused"):
            open_mirror(open_store("hf://datasets/somebody/toy"))


def test_between_two_caches_a_hub_has_none(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "hub", WRITE_TOKEN)
        store = open_store("hf://datasets/somebody/toy")
        publish(prepare_publication(open_cache(small)), store, CARD)
        other = write_shards(tmp_path / "other", shards=2, clips=6, frames=30, layers=5, dim=256)
        before = list(hub.repository("somebody/toy").commits)
        publish(prepare_publication(open_cache(other)), store, CARD)
        trees = [tree for sha, tree in hub.repository("somebody/toy").commits.items() if sha not in before]
        assert [SUMS_FILE in tree for tree in trees] == [False, False, True]
        assert verify_cache(pull_whole(*open_mirror(store), tmp_path / "cache").path) == []
