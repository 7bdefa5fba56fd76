"""The manifest: what it refuses, and that it survives the disk."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip, Manifest, actor_number, parquet_bytes, parquet_table, read_parquet
from tests.fuzz.mutations import outcome

CLIP = Clip("b", "b", "c:1", "male", "sad", "b.wav", 1.5)
OTHER = Clip("a", "p", "c:2", "", "calm", "x/a.wav")


def manifest(*clips: Clip, corpus: str = "c") -> Manifest:
    return Manifest(corpus, ("calm", "sad"), clips)


def test_clips_are_sorted_by_id_whatever_their_order() -> None:
    assert manifest(CLIP, OTHER) == manifest(OTHER, CLIP)
    assert [clip.clip_id for clip in manifest(CLIP, OTHER)] == ["a", "b"]
    assert manifest(CLIP, OTHER).actors == ("c:1", "c:2")


def test_two_clips_with_one_id_are_refused_with_both_paths() -> None:
    with pytest.raises(CorpusError, match=r"two clips with one id: 'b' is b\.wav and other\.wav"):
        manifest(CLIP, replace(CLIP, path="other.wav"))


@pytest.mark.parametrize("actor", ["", "c:", "c: "])
def test_a_clip_without_actor_is_refused_by_name(actor: str) -> None:
    with pytest.raises(CorpusError, match="clip 'b' has no actor"):
        manifest(replace(CLIP, actor=actor))


def test_a_label_outside_the_set_is_refused_with_the_set() -> None:
    with pytest.raises(CorpusError, match=r"clip 'b' has label 'furious'; expected one of \['calm', 'sad'\]"):
        manifest(replace(CLIP, label="furious"))


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "my corpus", "a:b", ".hidden", "-x"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(CorpusError, match="cannot be a corpus's name"):
        manifest(CLIP, corpus=name)


@pytest.mark.parametrize("name", ["crema-d", "IEMOCAP_4.1", "größe"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert manifest(CLIP, corpus=name).corpus == name


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(CorpusError, match="has no clips"):
        manifest()


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    before = Manifest("c", ("calm", "sad"), (CLIP, OTHER), synthetic=True)
    before.write(tmp_path / "run=3.parquet")
    after = Manifest.read(tmp_path / "run=3.parquet")
    assert (after.corpus, after.classes, after.synthetic) == ("c", ("calm", "sad"), True)
    assert after.clips[1] == CLIP
    assert math.isnan(after.clips[0].duration_s)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace_schema_metadata({}), "is not a ravfeat manifest"),
        (lambda t: t.replace_schema_metadata({b"ravfeat.manifest": b"{"}), "ravfeat.manifest is not valid JSON"),
        (lambda t: t.replace_schema_metadata({b"ravfeat.manifest": b"[]"}), "expected an object"),
        (lambda t: t.replace_schema_metadata({b"ravfeat.manifest": b"\xff"}), "not valid JSON"),
        (lambda t: t.drop_columns(["actor"]), r"lacks the columns \['actor'\]"),
        (lambda t: t.set_column(2, "actor", pa.array([None, "c:1"])), "empty cells"),
    ],
)
def test_a_damaged_manifest_is_refused_by_name(tmp_path: Path, change: object, message: str) -> None:
    table = manifest(CLIP, OTHER).table()
    pq.write_table(change(table), tmp_path / "m.parquet")  # type: ignore[operator]
    with pytest.raises(CorpusError, match=message) as caught:
        Manifest.read(tmp_path / "m.parquet")
    assert "m.parquet" in str(caught.value)


def test_a_newer_manifest_asks_for_a_newer_library(tmp_path: Path) -> None:
    table = manifest(CLIP).table()
    about = json.loads(table.schema.metadata[b"ravfeat.manifest"]) | {"version": "3"}
    pq.write_table(table.replace_schema_metadata({b"ravfeat.manifest": json.dumps(about)}), tmp_path / "m.parquet")
    with pytest.raises(CorpusError, match="version 3, this ravfeat reads 1 and 2; install a newer"):
        Manifest.read(tmp_path / "m.parquet")


def test_parquet_pages_carry_checksums() -> None:
    table = pa.table({"x": [f"{i:032d}" for i in range(1000)]})
    data = bytearray(parquet_bytes(table))
    assert parquet_table(bytes(data)).equals(table)
    data[2000] ^= 1
    with pytest.raises((OSError, pa.ArrowException)):
        parquet_table(bytes(data))


@pytest.mark.parametrize(("actor", "number"), [("ravdess:07", 7), ("c:1001", 1001), ("c:anna", None), ("c:a:3", 3)])
def test_actor_numbers_are_read_from_the_end(actor: str, number: int | None) -> None:
    assert actor_number(actor) == number


ONE_LONG_TEXT = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array(["a" * 100_000]))


@pytest.mark.parametrize("keep_types", [True, False])
@pytest.mark.parametrize(
    "column",
    [
        np.zeros(20_000_000, np.int8),
        pa.nulls(20_000_000),
        ONE_LONG_TEXT,
        pa.ListArray.from_arrays(pa.array(range(30_001), pa.int32()), ONE_LONG_TEXT),
        pa.StructArray.from_arrays([ONE_LONG_TEXT], ["a"]),
    ],
    ids=["zeros", "nulls", "text", "lists", "structs"],
)
def test_a_small_file_that_unpacks_to_a_large_table_is_refused_before_it_takes_the_memory(
    tmp_path: Path, column: object, *, keep_types: bool
) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"x": column}), path, compression="zstd", store_schema=keep_types)
    assert path.stat().st_size < 100_000
    error = outcome(lambda: read_parquet(path, CorpusError, "make it again"))
    assert re.search(r"m\.parquet cannot be read as Parquet \(it unpacks to \d+ MB, expected at most 25", str(error))


def test_texts_that_are_not_unicode_are_refused(tmp_path: Path) -> None:
    column = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"x": column}), tmp_path / "m.parquet")
    with pytest.raises(CorpusError, match=r"m\.parquet cannot be read as Parquet .*Invalid UTF8"):
        read_parquet(tmp_path / "m.parquet", CorpusError, "make it again")


def test_every_type_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = pa.table({
        "text": ["a", None], "large": pa.array(["a", "b"], pa.large_string()), "lists": [["a"], []],
        "bytes": [b"a", b"b"], "number": [1, 2], "kinds": pa.array(["a", "b"]).dictionary_encode(),
        "logits": [[1.0], [2.0]], "none": [None, None],
    }).replace_schema_metadata({"about": "this"})  # fmt: skip
    pq.write_table(table, tmp_path / "m.parquet")
    assert read_parquet(tmp_path / "m.parquet", CorpusError, "").equals(
        pq.read_table(tmp_path / "m.parquet"), check_metadata=True
    )


@pytest.mark.parametrize("field", ["clip_id", "performance_id", "actor", "path"])
def test_control_characters_in_names_are_refused_and_not_obeyed(field: str) -> None:
    with pytest.raises(CorpusError, match=rf"the {field} of a clip is 'a.n.x1b\[2J': it holds control characters"):
        manifest(replace(CLIP, **{field: "a\n\x1b[2J"}))


def test_a_manifest_with_further_columns_survives_the_disk_and_says_so(tmp_path: Path) -> None:
    part = replace(CLIP, start_s=0.25, end_s=1.75, further={"session": 2.0, "split": "test"})
    manifest(part, OTHER).write(tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    assert table.column_names[7:] == ["start_s", "end_s", "further/session", "further/split"]
    assert json.loads(table.schema.metadata[b"ravfeat.manifest"])["version"] == "2"
    assert Manifest.read(tmp_path / "m.parquet") == manifest(part, OTHER)
    assert json.loads(manifest(CLIP).table().schema.metadata[b"ravfeat.manifest"])["version"] == "1"


def test_columns_that_say_nothing_are_not_kept() -> None:
    table = manifest(replace(CLIP, further={"session": 2.0}), OTHER).columns.take(np.array([0]))
    assert manifest(*table).columns.table.schema.equals(manifest(OTHER).columns.table.schema)
    assert manifest(*table).columns.extra == ()
