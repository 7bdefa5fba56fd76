"""Clips of a cache that are not in the table given last."""

from pathlib import Path

import pytest

from ravfeat.corpora.last_table import read_absent, record_absent
from ravfeat.errors import CacheError
from ravfeat.manifest import Clip, Manifest


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus" / "audio-toy-0"
    folder.mkdir(parents=True)
    clips = tuple(Clip(name, name, "x:1", "", "sad", f"{name}.wav") for name in "abc")
    Manifest("x", ("sad",), clips).write(folder / "manifest.parquet")
    return folder


def test_what_was_not_given_is_remembered_until_it_is_given_again(cache: Path) -> None:
    assert read_absent(cache) == ()
    record_absent(cache, {"b"})
    assert read_absent(cache) == ("a", "c")
    assert [path.name for path in cache.iterdir()] == ["manifest.parquet"]  # nothing that is no part of a cache
    record_absent(cache, {"a", "b", "c", "d"})
    assert read_absent(cache) == ()
    assert list(cache.parent.iterdir()) == [cache]


@pytest.mark.parametrize("data", [b"", b"[", b"[]", b"{}", b'{"clip_ids": 3}', b'{"clip_ids": [1]}', b"[" * 100_000])
def test_a_damaged_file_is_refused_by_name(cache: Path, data: bytes) -> None:
    file = cache.parent / "audio-toy-0.absent.json"
    file.write_bytes(data)
    with pytest.raises(CacheError, match=r"audio-toy-0\.absent\.json.*; delete it, or run the same extraction again"):
        read_absent(cache)
