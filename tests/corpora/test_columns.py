"""What is known of clips, as columns."""

import math
from dataclasses import replace

import pyarrow as pa

from ravfeat.cache.format import ClipRecord
from ravfeat.clips import Clip
from ravfeat.corpora.columns import clip_columns
from ravfeat.schema import ACTIVE_COLUMNS


def record(clip_id: str, actor: str = "x:1", **further: str | float | None) -> ClipRecord:
    return ClipRecord(clip_id, f"p{clip_id}", actor, "", "sad", 8000, 16000.0, "", "", 0, 1, further=further)


def test_a_clip_is_a_row_with_its_actor_without_the_corpus_and_its_length_in_seconds() -> None:
    table = clip_columns([record("b", "x:01"), replace(record("a", "anna"), gender="female")])
    assert table.to_pylist() == [
        {"clip_id": "b", "performance": "pb", "actor": "01", "gender": None, "label": "sad", "duration_s": 0.5},
        {"clip_id": "a", "performance": "pa", "actor": "anna", "gender": "female", "label": "sad", "duration_s": 0.5},
    ]


def test_further_columns_hold_numbers_only_where_every_known_value_is_one() -> None:
    speech = dict.fromkeys(ACTIVE_COLUMNS, 0.5)
    clips = [record("a", session=1.0, room="hall", mixed=2.0, **speech), record("b", room="", mixed="two"), record("c")]
    table = clip_columns(clips)
    assert table["session"].to_pylist() == [1.0, None, None]
    assert table["room"].to_pylist() == ["hall", None, None]
    assert table["mixed"].to_pylist() == ["2", "two", None]
    assert not {*table.column_names} & {*ACTIVE_COLUMNS}
    assert table.schema.field("session").type == pa.float64()


def test_a_further_column_cannot_take_the_place_of_the_actor_or_the_label() -> None:
    table = clip_columns([record("a", actor="x:1", **{"label": "happy", "performance": "q"})])
    assert table.select(["label", "performance"]).to_pylist() == [{"label": "sad", "performance": "pa"}]


def test_names_of_ravdess_give_intensity_statement_and_repetition() -> None:
    clips = [record("03-01-05-02-01-02-07"), record("Actor_08/03-01-01-01-02-01-08")]
    fields = clip_columns(clips).select(["intensity", "statement", "repetition"]).to_pylist()
    assert fields == [
        {"intensity": "strong", "statement": "kids", "repetition": 2.0},
        {"intensity": "normal", "statement": "dogs", "repetition": 1.0},
    ]
    assert "intensity" not in clip_columns([*clips, record("other")]).column_names
    told = clip_columns([record("03-01-05-02-01-02-07", intensity="shouted")])
    assert told["intensity"].to_pylist() == ["shouted"]


def test_clips_of_a_manifest_have_columns_too() -> None:
    clip = Clip("a", "p", "x:1", "", "sad", "a.wav", 2.5, further={"session": 1.0})
    assert clip_columns([clip]).select(["duration_s", "session"]).to_pylist() == [{"duration_s": 2.5, "session": 1.0}]
    assert clip_columns([replace(clip, duration_s=math.nan)])["duration_s"].to_pylist() == [None]


def test_no_clips_are_a_table_without_rows() -> None:
    assert len(clip_columns([])) == 0
