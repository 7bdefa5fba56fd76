"""Finding caches."""

import shutil
from pathlib import Path

import pytest

from ravfeat.cache import find_caches, open_cache, resolve_cache
from ravfeat.cache.format import IDENTITY_FILE
from ravfeat.errors import CacheError


def test_a_folder_with_exactly_one_cache_stands_for_it(cache_copy: Path, tmp_path: Path) -> None:
    assert resolve_cache(tmp_path) == resolve_cache(cache_copy) == cache_copy
    assert open_cache(str(tmp_path)).path == cache_copy


def test_two_caches_are_listed(cache_copy: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(cache_copy, tmp_path / "other"))
    assert find_caches(tmp_path) == sorted([cache_copy, other])
    with pytest.raises(CacheError, match="holds 2 caches; name one of them") as caught:
        resolve_cache(tmp_path)
    assert str(cache_copy) in str(caught.value)
    assert str(other) in str(caught.value)


def test_a_cache_that_lost_its_identity_file_is_found(cache_copy: Path, tmp_path: Path) -> None:
    (cache_copy / IDENTITY_FILE).unlink()
    assert find_caches(tmp_path) == [cache_copy]


def test_no_cache_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no cache at or below .*; 'ravfeat extract --out"):
        resolve_cache(tmp_path)
    with pytest.raises(CacheError, match="nowhere does not exist"):
        open_cache(tmp_path / "nowhere")
