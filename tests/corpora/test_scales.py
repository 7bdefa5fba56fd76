"""Labels that are points of a scale are no classes."""

import pytest

from ravfeat.corpora.scales import check_no_scale, scale_of
from ravfeat.errors import CorpusError


@pytest.mark.parametrize(
    "labels", [["1.5", "2.25", "3"], list(map(str, range(31))), ["-0.5", "0.1", "1e-3"], ["1", "2.5", "3", "nan"]]
)
def test_scales_are_known(labels: list[str]) -> None:
    with pytest.raises(CorpusError, match=r"c: the labels are .* numbers, .*: classification only; map it to classes"):
        check_no_scale("c", labels)
    assert scale_of(labels, as_written=labels[:1]) == ""


@pytest.mark.parametrize(
    "labels",
    [["1", "2", "3"], list(map(str, range(30))), ["sad", "1.5", "2.5"], ["0.5", "1.5"], ["1.0", "2.0", "3.0"], []],
)
def test_classes_are_left_alone(labels: list[str]) -> None:
    check_no_scale("c", labels)
