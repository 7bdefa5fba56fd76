"""ImportedPiece clips and a corpus."""

import pytest

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import ImportedClip
from ravfeat.importers.match import ClipMatch, match_clips, wanted_modalities
from ravfeat.importers.names import RavdessNames
from ravfeat.manifest import Manifest
from ravfeat.schema import RAVDESS_LABELS

A, B, C = (f"01-06-01-02-01-{actor}" for actor in (10, 11, 12))
CORPUS = Manifest("ravdess", RAVDESS_LABELS, tuple(parse_stem(f"03-{one}") for one in (A, B, C)))


def brought(*names, wanted=("02", "01"), same=False):
    clips = [ImportedClip(name, f"{number}.npz", 0, 1) for number, name in enumerate(names)]
    return match_clips(clips, CORPUS, RavdessNames(CORPUS), wanted, lambda *_: same)


def test_of_every_performance_the_most_wanted_copy_is_taken() -> None:
    joined = brought(f"01-{A}", f"02-{A}", f"01-{B}", f"03-{C}")
    assert {name: clip.file for name, clip in joined.clips.items()} == {f"02-{A}": "1.npz", f"01-{B}": "2.npz"}
    assert (joined.unused, joined.missing, joined.unmatched) == (2, (C,), ())
    assert joined.manifest[f"01-{B}"].performance_id == B


def test_a_copy_that_was_asked_for_is_the_only_one() -> None:
    joined = brought(f"01-{A}", f"02-{A}", f"02-{B}", wanted=("01",))
    assert list(joined.clips) == [f"01-{A}"]
    assert (joined.unused, joined.missing) == (2, (B, C))


def test_streams_have_their_own_copies() -> None:
    assert wanted_modalities("face", None) == ("02", "01")
    assert wanted_modalities("audio", None) == ("03", "01")
    assert wanted_modalities("face", "01") == ("01",)
    with pytest.raises(UsageError, match="--modality 2: choose from 01"):
        wanted_modalities("face", "2")


def test_one_name_twice_is_taken_once_if_equal_and_refused_if_not() -> None:
    joined = brought(f"02-{A}", f"x/02-{A}.mp4", same=True)
    assert (joined.duplicates, joined.clips[f"02-{A}"].file) == (1, "0.npz")
    with pytest.raises(CorpusError, match=rf"'02-{A}' is there twice, .*'02-{A}' in 0\.npz and 'x/02-{A}\.mp4' in 1"):
        brought(f"02-{A}", f"x/02-{A}.mp4")


def test_a_whole_match_passes() -> None:
    brought(f"02-{A}", f"02-{B}", f"02-{C}").check_complete(allow_missing=False)


def test_what_is_left_over_is_listed_on_both_sides() -> None:
    joined = brought(f"02-{A}", *(f"n{number:02}" for number in range(12)))
    with pytest.raises(CorpusError) as caught:
        joined.check_complete(allow_missing=False)
    first, names, performances = str(caught.value).splitlines()
    assert first == "the match is incomplete; nothing was written: give --allow-missing to import the rest"
    assert names.startswith("  12 names match no performance of the corpus: n00, n01,")
    assert names.endswith("n09 and 2 more")
    assert performances == f"  2 performances have no features: {B}, {C}"
    joined.check_complete(allow_missing=True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((A, B), r"written: .*\n  1 performances have no features: "),
        ((A, B, C, "x"), r"written: .*\n  1 names match no"),
    ],
)
def test_either_side_alone_makes_a_match_incomplete(names, message) -> None:
    with pytest.raises(CorpusError, match=message):
        brought(*names).check_complete(allow_missing=False)


def test_no_match_at_all_is_never_allowed() -> None:
    with pytest.raises(CorpusError, match="no name matches a performance of the corpus; nothing was written: check"):
        brought("x").check_complete(allow_missing=True)


def test_where_names_are_those_of_the_files_the_refusal_says_so() -> None:
    joined = ClipMatch({}, {}, ("talk",), ("p",), 0, 0)
    with pytest.raises(
        CorpusError, match="files' names were taken, as they hold no clip_id, name, clip, file or filename"
    ):
        joined.check_complete(allow_missing=False, named=False)
