"""Names in two spellings, and words that stand for an empty cell."""

from dataclasses import dataclass

import pytest

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.spellings import check_clips, check_names, spelling_key
from ravfeat.errors import CorpusError
from ravfeat.schema import RAVDESS_LABELS


@dataclass(frozen=True)
class Named:
    clip_id: str
    performance_id: str
    actor: str
    label: str


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("3", "03"),
        ("3", "0003"),
        ("3", "3.0"),
        ("03", "3.00"),
        ("Spk3", "spk3"),
        ("spk_3", "SPK_003"),
        ("Actor 3", "actor  03"),
        ("S1/03", "s01/3"),
        ("x.03", "x.3"),
        ("\uff13", "3"),  # full width
        ("José", "Jose\u0301"),  # composed and not
        ("Straße", "STRASSE"),
        ("ﬁona", "Fiona"),
        ("anna", "anna\u200b"),
        ("anna", "\ufeffanna"),
        ("anna b", "anna\u00a0b"),
        (" anna", "anna "),
    ],
)
def test_two_spellings_of_one_name_are_refused_with_their_counts(first, second) -> None:
    message = r"^t\.csv has one actor in several spellings: .* \(2 clips\) and .* \(1 clip\)\..*--as-written"
    counts = sorted([first, second])
    names = [counts[0], "other", counts[0], counts[1]]
    with pytest.raises(CorpusError, match=message) as caught:
        check_names("t.csv", "actor", names)
    assert repr(counts[0]) in str(caught.value)
    assert repr(counts[1]) in str(caught.value)
    check_names("t.csv", "actor", names, [first])


@pytest.mark.parametrize(
    ("first", "second"),
    [("3", "30"), ("1.05", "1.5"), ("10", "100"), ("0", "00x"), ("-1", "1"), ("a1", "a2"), ("", "x"), ("n", "nn")],
)
def test_other_names_are_other_names(first, second) -> None:
    check_names("t.csv", "actor", [first, second])
    assert spelling_key(first) != spelling_key(second)


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "None", "<NA>", "null", "NULL", "n/a", "N/A", " nan ", "NaT", "#N/A", "NA"]
)
def test_words_for_an_empty_cell_are_refused_until_they_are_meant(word) -> None:
    with pytest.raises(
        CorpusError, match=r"t\.csv: label is .* \(2 clips\), which is how programs write an empty cell"
    ):
        check_names("t.csv", "label", [word, "sad", word])
    check_names("t.csv", "label", [word, "sad", word], [word])


def test_only_what_was_named_is_taken_as_written() -> None:
    with pytest.raises(CorpusError, match=r"'4' \(1 clip\) and '04' \(1 clip\)|'04' \(1 clip\) and '4' \(1 clip\)"):
        check_names("t.csv", "actor", ["3", "03", "4", "04"], ["3"])
    with pytest.raises(CorpusError, match="empty cell"):
        check_names("t.csv", "actor", ["None", "nan"], ["None"])


def test_many_clashes_are_counted() -> None:
    names = [text for number in range(1, 10) for text in (f"{number}", f"0{number}")]
    with pytest.raises(CorpusError, match="and 4 more such names"):
        check_names("t.csv", "actor", names)


def test_actors_labels_and_performances_of_clips_are_checked() -> None:
    good = Named("a", "t1", "x:1", "sad")
    check_clips("t", [good, Named("b", "t2", "x:2", "happy")])
    for bad, kind in [
        (Named("b", "t2", "x:01", "sad"), "actor"),
        (Named("b", "t2", "x:2", "Sad"), "label"),
        (Named("b", "T01", "x:2", "sad"), "performance"),
        (Named("b", "nan", "x:2", "sad"), "performance"),
    ]:
        with pytest.raises(CorpusError, match=kind):
            check_clips("t", [good, bad])


def test_files_that_differ_in_a_zero_are_two_performances() -> None:
    check_clips("t", [Named("x/1", "x/1", "x:1", "sad"), Named("x/01", "x/01", "x:1", "sad")])


def test_every_performance_of_ravdess_has_one_spelling() -> None:
    stems = [
        f"03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        for emotion in range(1, 9)
        for intensity in (1, 2)
        for statement in (1, 2)
        for repetition in (1, 2)
        for actor in range(1, 25)
    ]
    clips = [clip for stem in stems if (clip := parse_stem(stem))]
    assert len(clips) == 1440
    check_clips("ravdess", clips)
    assert len(set(map(spelling_key, RAVDESS_LABELS))) == len(RAVDESS_LABELS)


@pytest.mark.parametrize("name", ["happy\x1b[31m", "a\nb", "x\u202ey", "\x9b1m"])
def test_a_name_with_control_characters_is_refused_without_being_obeyed(name) -> None:
    with pytest.raises(CorpusError, match=r"^t\.csv: label is '.*\\.*' \(2 clips\) and holds control") as caught:
        check_names("t.csv", "label", [name, name, "sad"])
    assert str(caught.value).isprintable()
