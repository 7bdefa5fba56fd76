"""What the columns of a table are."""

import pytest

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.columns import classify_columns, not_a_feature


def test_the_columns_of_openface_are_facts_and_features() -> None:
    header = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "AU01_r"]
    columns = classify_columns("x.csv", header)
    assert (columns.name, columns.face, columns.features) == ("", "face_id", ("gaze_0_x", "AU01_r"))
    assert columns.facts == {
        "frame": "frame", "time_s": "timestamp", "found": "success", "confidence": "confidence"
    }  # fmt: skip


def test_bookkeeping_is_never_a_feature_however_it_is_spelt() -> None:
    columns = classify_columns("x.csv", ["Label", "EMOTION", "actor", "Filename", "f0", "time_s", ""])
    assert (columns.features, columns.name, columns.shape) == (("f0",), "Filename", (1,))


def test_of_several_names_the_clip_id_decides() -> None:
    assert classify_columns("x.csv", ["file", "clip_id", "f"]).name == "clip_id"


@pytest.mark.parametrize(("n_points", "axes"), [(68, "xy"), (68, "xyz"), (478, "xyz")])
def test_landmarks_are_points_whatever_the_order_of_the_columns(n_points, axes) -> None:
    header = [f"{axis}_{point}" for axis in axes for point in range(n_points)]
    columns = classify_columns("x.csv", header)
    assert columns.shape == (n_points, len(axes))
    assert columns.features[: len(axes) + 1] == (*(f"{axis}_0" for axis in axes), f"{axes[0]}_1")


def test_landmarks_among_other_features_are_features_until_they_are_chosen() -> None:
    header = ["AU01_r", *(f"{axis}_{point}" for axis in "xy" for point in range(68))]
    assert classify_columns("x.csv", header).shape == (137,)
    assert classify_columns("x.csv", header, "x_, y_").shape == (68, 2)
    assert classify_columns("x.csv", header, "AU").features == ("AU01_r",)
    with pytest.raises(UsageError, match=r"no feature column begins with --array pose; there are AU01_r, x_0"):
        classify_columns("x.csv", header, "pose")


def test_a_table_without_features_or_with_one_name_twice_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"x\.csv has no feature columns, only \['name'\]; indices, times"):
        classify_columns("x.csv", ["name"])
    with pytest.raises(CorpusError, match=r"more than one column called \['f'\]"):
        classify_columns("x.csv", ["f", "f"])


@pytest.mark.parametrize(
    "name",
    [
        "", "#", "Unnamed: 0", "Unnamed: 0.1", "index", "__index_level_0__", "level_1", "row_number", "ID", "start",
        "end", "frameTime", "start_time", "class_id", "classId", "target", "trueLabel", "true_label", "y_true",
        "emotion_code", "speaker", "spk_id", "SpeakerID", "subject_no", "sex", "Age", "arousal", "Valence", "dominance",
        "split", "fold", "Session", "target_emotion", "speaker_age",
    ],
)  # fmt: skip
def test_indices_times_targets_and_identities_are_no_features_until_they_are_named(name) -> None:
    assert not_a_feature(name)
    columns = classify_columns("x.csv", ["file", name, "f0"])
    assert (columns.features, columns.left_out) == (("f0",), (name,))
    assert classify_columns("x.csv", ["file", name, "f0"], None, [name]).features == (name,)
    assert classify_columns("x.csv", ["file", name, "f0"], "f", [name]).features == (name, "f0")


@pytest.mark.parametrize(
    "name",
    [
        "F0semitoneFrom27.5Hz_sma3nz_amean", "AU01_r", "AU45_c", "gaze_0_x", "pose_Rx", "p_scale", "emotion_happy",
        "class_0", "loudness_sma3_amean", "duration", "mfcc_1", "0", "StddevVoicedSegmentLengthSec", "x_67", "level",
    ],
)  # fmt: skip
def test_features_of_the_field_are_features(name) -> None:
    assert classify_columns("x.csv", ["file", name]).features == (name,)


def test_a_column_that_is_named_must_be_there() -> None:
    with pytest.raises(UsageError, match=r"no column is called g \(--columns\); there are file, f"):
        classify_columns("x.csv", ["file", "f"], None, ["g"])
