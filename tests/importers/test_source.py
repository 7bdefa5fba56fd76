"""ImportedPiece rows as a source."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import ClipError
from ravfeat.importers import source as module
from ravfeat.importers.base import ImportedClip, Rows
from ravfeat.importers.clock import set_clock
from ravfeat.importers.source import ImportSource
from ravfeat.importers.transforms import get_transform
from ravfeat.manifest import Clip

CLIP = Clip("id", "p", "c:1", "", "a", "f.npz")
BROUGHT = ImportedClip("the name", "f.npz", 0, 3)


class InMemory:
    """Files that are only one clip's rows."""

    def __init__(self, rows):
        self.rows = rows

    def read(self, clip):
        assert clip == BROUGHT
        return self.rows


def read(values, *, transform="none", timed=None, clip=CLIP, **facts):
    values = np.asarray(values)
    rows = Rows(values, {name: np.asarray(fact, np.float64) for name, fact in facts.items()})
    timed = timed or ("frames" if "frame" in facts else "rows")
    clock = set_clock(timed, 10.0, None, frames="frame" in facts)
    source = ImportSource(InMemory(rows), {clip.clip_id: BROUGHT}, clock, get_transform(transform, values.shape[1:]))
    pieces, reading = [], source.read(clip, Path())
    while True:
        try:
            pieces.append(next(reading))
        except StopIteration as end:
            return pieces, end.value


def test_rows_come_in_the_order_of_their_frames_with_what_is_known_of_them() -> None:
    (piece,), recording = read([[1.0], [3.0], [2.0]], frame=[10, 12, 11], confidence=[0.1, 0.3, 0.2])
    assert piece.values.tolist() == [[1], [2], [3]]
    np.testing.assert_allclose(piece.times_s, [1.0, 1.1, 1.2])
    np.testing.assert_allclose(piece.columns["confidence"], [0.1, 0.2, 0.3])
    assert (recording.n_samples, recording.rate_hz) == (3, 10)


def test_a_long_clip_comes_in_pieces(monkeypatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 4)
    values = np.arange(10.0)[:, None]
    pieces, recording = read(values, found=np.ones(10))
    assert [len(piece.values) for piece in pieces] == [len(piece.columns["found"]) for piece in pieces] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([piece.values for piece in pieces]), values)
    assert np.all(np.diff(np.concatenate([piece.times_s for piece in pieces])) > 0)
    assert recording.n_samples == 10


def test_the_digest_is_of_the_rows_as_they_were_brought() -> None:
    values = np.array([[0.5, 0.5], [0.25, 0.75]], ">f4")
    _, recording = read(values, transform="log-softmax")
    assert recording.input_sha256 == hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    assert read(values)[1].input_sha256 == recording.input_sha256
    assert read(values[::-1])[1].input_sha256 != recording.input_sha256


def test_one_row_clips_with_equal_values_are_one_recording_only_where_they_are_one_performance() -> None:
    row = np.array([[0, 1, 0]], np.int16)
    copy, other = replace(CLIP, clip_id="copy"), replace(CLIP, performance_id="q")
    digests = [read(row, timed="clip", clip=clip)[1].input_sha256 for clip in (CLIP, copy, other)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] == hashlib.sha256(b"p\0" + row.astype("<i2").tobytes()).hexdigest()
    assert read(row + 1, timed="clip")[1].input_sha256 != digests[0]
    assert read(row, clip=CLIP)[1].input_sha256 == read(row, clip=other)[1].input_sha256  # frames, of which one came


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_rows_that_are_no_numbers_cost_the_clip_and_are_named(bad) -> None:
    with pytest.raises(ClipError, match=r"'the name': 1 of 3 rows cannot be used, the first is frame 8: .*NaN or"):
        read([[1.0], [bad], [1.0]], frame=[7, 8, 9])


def test_landmarks_with_both_eyes_in_one_place_cost_the_clip_and_are_named() -> None:
    values = np.random.default_rng(0).normal(size=(3, 68, 2))
    values[1] = 7.0
    with pytest.raises(ClipError, match="1 of 3 rows cannot be used, the first is row 1: the two eyes are in one"):
        read(values, transform="similarity")


def test_where_no_face_was_found_an_unusable_row_is_as_the_last_usable() -> None:
    values = np.random.default_rng(0).normal(size=(6, 68, 2)).astype(np.float32)
    values[[0, 3]] = 0.0
    values[4] = np.nan
    (piece,), _ = read(values, transform="similarity", found=[0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(piece.values, values[[1, 1, 2, 2, 2, 5]])  # the last can be used, found or not
    assert piece.columns["found"].tolist() == [0, 1, 1, 0, 0, 0]


def test_a_clip_in_which_no_face_was_found_fails() -> None:
    with pytest.raises(ClipError, match="'the name': no face was found in any of its 2 rows"):
        read([[1.0], [2.0]], found=[0, 0])


def test_frames_that_are_there_twice_or_not_at_all_cost_the_clip() -> None:
    with pytest.raises(ClipError, match=r"'the name' has 1 rows at the time of another, the first at 0\.200 s"):
        read([[1.0], [2.0], [3.0]], frame=[1, 2, 2])
    with pytest.raises(ClipError, match="'the name' has no rows"):
        read(np.zeros((0, 2)))
    with pytest.raises(ClipError, match="'the name' has rows without a time"):
        read([[1.0], [2.0]], frame=[1, np.nan])
