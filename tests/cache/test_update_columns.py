"""Further columns that a table says of stored clips later."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ravfeat.cache.update_columns
from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import MANIFEST_FILE
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.update_columns import changed_columns, update_columns
from ravfeat.errors import CacheError
from ravfeat.manifest import Manifest

pytestmark = pytest.mark.usefixtures("small_shards")


def saying(corpus: Any, clips: Mapping[int, Mapping[str, str | float]]) -> Manifest:
    manifest = corpus.manifest
    return Manifest(
        manifest.corpus, manifest.classes,
        [replace(clip, further=clips.get(n, {})) for n, clip in enumerate(manifest)], synthetic=True,
    )  # fmt: skip


def stored(cache: Path) -> list[dict[str, Any]]:
    records = sorted(open_cache(cache).records().items())
    return [{k: v for k, v in record.further.items() if "active" not in k and v is not None} for _, record in records]


def test_new_columns_are_stored_and_features_stay(cache_copy: Path, corpus: Any) -> None:
    before = open_cache(cache_copy)
    n, ids = len(before), list(before.clip_ids)
    features = [before[clip_id] for clip_id in ids]
    assert not update_columns(cache_copy, corpus.manifest)
    first = saying(corpus, {0: {"session": 1.0, "note": "a"}, n - 1: {"session": 2.0}})
    update = update_columns(cache_copy, first)
    assert (update.names, sorted(update.clips)) == (("note", "session"), [ids[0], ids[-1]])
    assert stored(cache_copy) == [{"session": 1.0, "note": "a"}, *[{}] * (n - 2), {"session": 2.0}]
    assert verify_cache(cache_copy) == []
    after = open_cache(cache_copy)
    assert all(np.array_equal(after[clip_id], block) for clip_id, block in zip(ids, features, strict=True))
    assert not update_columns(cache_copy, first)
    # Values change, what is not said any more stays, and a column of numbers may become one of texts.
    assert update_columns(cache_copy, saying(corpus, {n - 1: {"session": "2b"}})).names == ("session",)
    assert stored(cache_copy)[-1] == {"session": "2b"}
    assert [clip.further for clip in read_planned(cache_copy / MANIFEST_FILE).manifest][::n - 1] == [
        {"session": "1", "note": "a"}, {"session": "2b"}
    ]  # fmt: skip
    assert verify_cache(cache_copy) == []


def test_an_interrupted_update_is_finished_by_the_next(
    cache_copy: Path, corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = saying(corpus, {0: {"session": 1.0}})
    with monkeypatch.context() as patch:
        patch.setattr(ravfeat.cache.update_columns, "replace_file", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            update_columns(cache_copy, given)
    assert changed_columns(read_planned(cache_copy / MANIFEST_FILE).manifest, given)
    assert update_columns(cache_copy, given)
    assert stored(cache_copy)[0] == {"session": 1.0}
    assert verify_cache(cache_copy) == []


def test_a_cache_that_is_written_by_another_process_is_left_alone(cache_copy: Path, corpus: Any) -> None:
    hold = (
        "import sys; from pathlib import Path; from ravfeat.cache.locks import WorkLock\n"
        "with WorkLock(Path(sys.argv[1])) as lock: lock.claim([0]); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(cache_copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CacheError, match="another process is writing shard-00000"):
        update_columns(cache_copy, saying(corpus, {0: {"session": 1.0}}))
    holder.communicate("")
