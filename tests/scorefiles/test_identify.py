"""Whose the rows of a score file are."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.scorefiles.columns import ScoreTable
from ravfeat.scorefiles.identify import check_labels, owners_of

STEM = "03-01-06-01-02-01-07"


def cells(*names: str, classes: tuple[str, ...] = ("calm", "fearful"), **facts: object) -> ScoreTable:
    columns = {
        fact: tuple(value) if isinstance(value, list) else (value,) * len(names) for fact, value in facts.items()
    }
    return ScoreTable(Path("a.csv"), {"name": names, **columns}, classes, np.zeros((len(names), len(classes))))


@pytest.mark.parametrize("name", [STEM, f"{STEM}.wav", f"Actor_07/{STEM}.flac", f"C:\\data\\{STEM}.wav", f" {STEM} "])
def test_a_ravdess_stem_says_everything(name) -> None:
    owners = owners_of(cells(name))
    assert owners.clip_ids == (STEM,)
    assert owners.performance_ids == (STEM[3:],)
    assert owners.actors == ("ravdess:07",)
    assert owners.labels == ("fearful",)


def test_a_name_without_modality_is_its_performances() -> None:
    owners = owners_of(cells(STEM[3:]))
    assert owners.clip_ids == owners.performance_ids == (STEM[3:],)
    assert (owners.actors, owners.labels, owners.stream) == (("ravdess:07",), ("fearful",), "other")


@pytest.mark.parametrize(
    ("given", "actor"), [("7", "ravdess:07"), ("07", "ravdess:07"), ("synth:07", "synth:07"), ("Ann", "Ann")]
)
def test_columns_win_over_the_stem_and_bare_numbers_are_written_as_caches_write_them(given, actor) -> None:
    owners = owners_of(cells(STEM, actor=given, label="high", performance="x"))
    assert (owners.actors, owners.labels, owners.performance_ids) == ((actor,), ("high",), (STEM[3:],))


@pytest.mark.parametrize(
    ("actors", "message"),
    [
        (["a", "b"], r"row 2 \(.*\): actor is 'b', .* stem of 'ravdess:07', but another row of ravdess:07 says 'a'"),
        (["a", "a"], r"row 2 \(.*\): actor is 'a', .* of 'ravdess:08', but another row called a says 'ravdess:07'"),
    ],
)
def test_one_person_under_two_names_and_two_under_one_are_refused(actors, message) -> None:
    second = STEM if actors[0] != actors[1] else f"{STEM[:-2]}08"
    with pytest.raises(PredictionsError, match=message):
        owners_of(cells(STEM, second, actor=actors, label="calm"))


def test_other_names_say_nothing_and_columns_say_it() -> None:
    owners = owners_of(cells("a/1.wav", "a/2.wav", actor=["7", "x:8"], label="calm"))
    assert owners.clip_ids == owners.performance_ids == ("a/1.wav", "a/2.wav")
    assert owners.actors == ("7", "x:8")
    owners = owners_of(cells("1", actor="7", label="calm", performance="take 1"))
    assert owners.performance_ids == ("take 1",)


def test_unknown_names_are_refused_with_the_columns_to_add() -> None:
    names = ["a", "b", "c", "d", "03-02-06-01-02-01-07", "03-01-09-01-02-01-07", STEM]
    message = r"a\.csv: 6 of 7 names are no RAVDESS stems like .*: a, b, c and 3 more; add the columns actor and label$"
    with pytest.raises(PredictionsError, match=message):
        owners_of(cells(*names))
    with pytest.raises(PredictionsError, match=r"1 of 1 names .*: a; add the column label$"):
        owners_of(cells("a", actor="1"))


@pytest.mark.parametrize(
    ("names", "stream"),
    [
        ([STEM], "audio"),
        ([f"02{STEM[2:]}"], "face"),
        ([f"01{STEM[2:]}"], "other"),
        ([STEM, f"02{STEM[2:]}"], "other"),
        ([STEM, "mine"], "other"),
    ],
)
def test_the_stream_is_guessed_from_the_modality(names, stream) -> None:
    assert owners_of(cells(*names, actor="1", label="calm")).stream == stream
    assert owners_of(cells(*names, actor="1", label="calm", stream="face")).stream == "face"


def test_one_file_is_one_stream() -> None:
    with pytest.raises(PredictionsError, match=r"row 2 \(.*\): stream is 'face', and 'audio' in row 1; one file holds"):
        owners_of(cells(STEM, STEM, stream=["audio", "face"]))
    with pytest.raises(PredictionsError, match=r"row 1 .*: stream is 'text'; expected one of audio, face, other"):
        owners_of(cells(STEM, stream="text"))


def test_a_label_without_a_column_is_refused_and_both_are_listed() -> None:
    message = (
        r"a\.csv, row 2 \(2\): the label 'sad' has no class column\. Labels are \['calm', 'sad'\], class columns"
        r" \['calm', 'fearful'\]"
    )
    with pytest.raises(PredictionsError, match=message):
        check_labels(cells("1", "2"), ("calm", "sad"))


def test_a_column_that_is_nobodys_label_is_a_class_only_if_it_is_an_emotion() -> None:
    check_labels(cells("1", classes=("calm", "fearful", "happy")), ("calm",))
    for column in ("duration_s", ""):
        message = rf"a\.csv: no row is labelled '{column}'\. Every column besides name, .* leave out columns that"
        with pytest.raises(PredictionsError, match=message):
            check_labels(cells("1", classes=("calm", "fearful", column)), ("calm",))
