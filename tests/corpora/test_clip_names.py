"""Clips by their id, a path, a file name or a stem."""

import pytest

from ravfeat.corpora.clip_names import ClipNames
from ravfeat.errors import CorpusError

NAMES = ClipNames(["a/one", "b/one", "x/b/one", "b/two", "three.part", "five.one", "five.two", "four_1.500-3.250"])


@pytest.mark.parametrize(
    ("name", "clip_id"),
    [
        ("a/one", "a/one"),
        ("/data/somewhere/a/one.wav", "a/one"),
        (r"C:\data\a\one.wav", "a/one"),
        ("./b/one.wav", "b/one"),
        ("x/b/one.flac", "x/b/one"),
        ("two", "b/two"),
        ("two.wav", "b/two"),
        ("elsewhere/two.wav", "b/two"),
        ("three.part", "three.part"),
        ("four_1.500-3.250", "four_1.500-3.250"),
        ("four", None),
        ("there/five.one.wav", "five.one"),
        ("three", None),
        ("five.wav", None),
        ("", None),
        ("/", None),
    ],
)
def test_a_clip_is_found_by_what_people_write(name, clip_id) -> None:
    assert NAMES.find(name) == clip_id


def test_a_stem_of_several_clips_is_refused_with_their_ids() -> None:
    with pytest.raises(CorpusError, match=r"'one.wav' could be each of the clips a/one, b/one, x/b/one; write the fol"):
        NAMES.find("one.wav")
    with pytest.raises(CorpusError, match=r"'y/b/one.wav' could be each of the clips b/one, x/b/one"):
        NAMES.find("y/b/one.wav")
