"""`ravfeat.stress`, the function."""

import pytest

import ravfeat
from ravfeat.api.stress import stress
from ravfeat.errors import PredictionsError, UsageError


def test_the_package_is_the_function(tmp_path) -> None:
    assert ravfeat.stress.__signature__.parameters.keys() >= {"run", "data", "conditions", "clips", "progress"}
    with pytest.raises(PredictionsError, match="is not a finished run"):
        ravfeat.stress(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": None}, r"stress\(None\): expected the folder of a run"),
        ({"conditions": 3}, "conditions: 3 is not a name, or a list of names"),
        ({"clips": 0}, "clips"),
        ({"clips": "many"}, "clips"),
        ({"models": {"whisper": 3}}, "expected a mapping of texts"),
    ],
)
def test_wrong_values_are_named(options, message, tmp_path) -> None:
    with pytest.raises(UsageError, match=message):
        stress(**{"run": tmp_path, **options})
