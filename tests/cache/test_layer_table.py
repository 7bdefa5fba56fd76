"""The table of layers: what it says, when it goes, and that verification holds it against the shards."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.cache import layer_table
from ravfeat.cache.format import SUMS_FILE
from ravfeat.cache.index import read_index, read_sums, sums_text
from ravfeat.cache.layer_table import (
    LAYERS_FILE,
    ShardLayers,
    describe_layers,
    layer_table_bytes,
    parse_layer_table,
)
from ravfeat.cache.reader import open_cache
from ravfeat.cache.rebuild import rebuild_index
from ravfeat.cache.verify import verify_cache
from ravfeat.errors import CacheError
from tests.writtenshards import write_shards


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("plain"), shards=2, clips=3, frames=10, layers=3, dim=16)


@pytest.fixture
def folder(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a table of layers."""
    monkeypatch.setattr(layer_table, "CLIP_DIGESTS_FROM", 0)
    copy = Path(shutil.copytree(plain, tmp_path / "cache"))
    write_table(copy, described(copy))
    return copy


def described(folder: Path) -> dict[int, ShardLayers]:
    shards = {}
    for number, shard in read_index(folder).items():
        n_frames = [row["n_frames"] for row in shard.rows]
        path = folder / f"shard-{number:05d}.h5"
        layers = describe_layers(path, shard.sha256, shard.features, (0, 1, 2), n_frames)
        assert layers is not None
        shards[number] = layers
    return shards


def write_table(folder: Path, shards: dict[int, ShardLayers]) -> None:
    data = layer_table_bytes(shards, open_cache(folder).about)
    (folder / LAYERS_FILE).write_bytes(data)
    sums = read_sums(folder) | {LAYERS_FILE: hashlib.sha256(data).hexdigest()}
    (folder / SUMS_FILE).write_text(sums_text(sums))


def test_it_says_where_layers_lie_and_their_digests(folder: Path) -> None:
    table = parse_layer_table((folder / LAYERS_FILE).read_bytes(), "it", "")
    assert table.shards == described(folder)
    assert table.about == open_cache(folder).about
    shard, data = table.shards[1], (folder / "shard-00001.h5").read_bytes()
    layer = data[shard.offset + 2 * shard.n_bytes : shard.offset + 3 * shard.n_bytes]
    assert hashlib.sha256(layer).digest() == shard.sha256[2]
    assert data.endswith(shard.tail or b"?")
    records = open_cache(folder).header(1).clips
    assert shard.clips_sha256 is not None
    assert shard.clips_sha256[2] == b"".join(bytes.fromhex(clip.layers_sha256[2]) for clip in records)


def test_clips_of_small_layers_are_not_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_table, "CLIP_DIGESTS_FROM", 1 << 20)
    assert described(folder)[0].clips_sha256 is None


def test_a_cache_with_card_and_table_is_whole(folder: Path) -> None:
    for name in ("README.md", "LICENSE", "LICENSE.txt", ".gitattributes"):
        (folder / name).touch()
    assert verify_cache(folder) == []
    (folder / "notes.txt").touch()
    (folder / ".shard-00000.h5.0123abcd.part").touch()
    pulled, notes = verify_cache(folder)
    assert notes.where == "notes.txt"
    assert "run the same 'ravfeat cache pull' again" in pulled.description


def test_a_table_that_lies_about_a_shard_is_found(folder: Path) -> None:
    shards = described(folder)
    write_table(folder, shards | {1: replace(shards[1], sha256=(bytes(32), *shards[1].sha256[1:]))})
    assert [str(problem) for problem in verify_cache(folder)] == [
        "shard-00001.h5: holds other layers than layers.parquet says; delete it and run 'ravfeat cache rebuild-index'"
    ]
    (folder / LAYERS_FILE).write_bytes(b"PAR1")
    (problem,) = verify_cache(folder)
    assert "does not match its digest in SHA256SUMS; delete it" in problem.description


def test_it_stays_while_it_is_of_the_shards_and_goes_when_one_changes(folder: Path) -> None:
    rebuild_index(folder)
    assert LAYERS_FILE in read_sums(folder)
    assert verify_cache(folder) == []
    (folder / "shard-00001.h5").unlink()
    rebuild_index(folder)
    assert not (folder / LAYERS_FILE).exists()
    assert LAYERS_FILE not in read_sums(folder)


def test_a_damaged_one_goes_with_the_next_index(folder: Path) -> None:
    (folder / LAYERS_FILE).write_bytes(b"PAR1")
    rebuild_index(folder)
    assert not (folder / LAYERS_FILE).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda shard: replace(shard, layers=(0, 2, 1)),
        lambda shard: replace(shard, offset=-1),
        lambda shard: replace(shard, clips_sha256=(b"x", *shard.clips_sha256[1:])),
    ],
)
def test_rows_that_contradict_themselves_are_refused(folder: Path, change) -> None:
    data = layer_table_bytes({0: change(described(folder)[0])}, open_cache(folder).about)
    with pytest.raises(CacheError, match="it contradicts itself about shard 0"):
        parse_layer_table(data, "it", "again")
