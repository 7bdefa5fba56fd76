"""ORIGIN.json: written, read back, refused where it says nothing."""

import json
import shutil
from pathlib import Path

import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.convert import Conversion, convert_cache
from ravfeat.cache.origin_file import ORIGIN_FILE, PublishedOrigin, read_origin, write_origin
from ravfeat.errors import CacheError

ORIGIN: PublishedOrigin = {"address": "hf://datasets/user/name", "commit": "ab" * 20, "licence": "cc-by-4.0"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_origin(tmp_path) is None
    write_origin(tmp_path, ORIGIN)
    assert read_origin(tmp_path) == ORIGIN


def test_a_cache_with_it_is_whole_and_what_is_made_of_it_names_it(whole_cache: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole_cache, tmp_path / "pulled"))
    write_origin(folder, ORIGIN)
    assert verify_cache(folder) == []
    derived = convert_cache(open_cache(folder), tmp_path / "out", Conversion(store="pooled"))
    assert read_origin(derived.path) == ORIGIN
    assert verify_cache(derived.path) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"address": "hf://a\x1b[2J"}, r"address is 'hf://a\\x1b\[2J', expected one such as hf://.*delete it"),
        ({"address": "h" * 501}, "expected one such as"),
        ({"licence": "a\nb"}, "expected one such as"),
        ({"commit": "main"}, "commit is 'main', expected 40 or 64 hex digits"),
        ({"commit": 3}, "commit is 3, expected text"),
        ({"address": ""}, 'address is "", expected a text that is not empty'),
    ],
)
def test_what_says_nothing_is_refused(tmp_path: Path, change: dict[str, object], match: str) -> None:
    (tmp_path / ORIGIN_FILE).write_text(json.dumps(ORIGIN | change))
    with pytest.raises(CacheError, match=match):
        read_origin(tmp_path)
    if all(isinstance(value, str) and value for value in change.values()):
        with pytest.raises(CacheError, match="give an address and its commit"):
            write_origin(tmp_path, ORIGIN | change)  # type: ignore[typeddict-item]


def test_a_large_one_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ORIGIN_FILE).write_text(" " * (17 << 10))
    with pytest.raises(CacheError, match="expected at most 16384"):
        read_origin(tmp_path)
