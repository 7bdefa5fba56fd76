"""What the columns of a table are."""

import pytest

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.columns import classify_columns


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
    with pytest.raises(CorpusError, match=r"x\.csv has no feature columns, only \['name'\]; expected a table"):
        classify_columns("x.csv", ["name"])
    with pytest.raises(CorpusError, match=r"more than one column called \['f'\]"):
        classify_columns("x.csv", ["f", "f"])
