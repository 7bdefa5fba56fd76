import numpy as np
import pytest

from ravfeat.faces.degrade import degrade
from ravfeat.media.conditions import Condition

EDGE = np.zeros((100, 60, 3), np.uint8)
EDGE[:, 30:] = 200


@pytest.mark.parametrize("text", ["dark", "blur", "small"])
def test_every_condition_keeps_shape_and_input_and_is_worse_the_stronger_it_is(text) -> None:
    EDGE.flags.writeable = False
    changed = [degrade(EDGE, condition) for condition in Condition.written(text)]
    assert {(each.shape, each.dtype) for each in changed} == {(EDGE.shape, EDGE.dtype)}
    apart = [float(np.abs(each.astype(float) - EDGE).mean()) for each in changed]
    assert apart[0] > 0
    assert apart == sorted(apart)


def test_a_stop_halves_the_light() -> None:
    dark = degrade(EDGE, Condition("dark", 1))
    assert (int(dark[0, 50, 0]) / 255) ** 2.2 == pytest.approx((200 / 255) ** 2.2 / 2, rel=0.01)


def test_an_edge_is_as_wide_as_its_blur() -> None:
    row = degrade(EDGE, Condition("blur", 2))[50, :, 0].astype(float)
    slope = np.diff(row) / 200
    centre = (np.arange(59) * slope).sum()
    assert np.sqrt(((np.arange(59) - centre) ** 2 * slope).sum()) == pytest.approx(2, abs=0.4)


def test_a_picture_of_one_pixel_stays_one() -> None:
    pixel = np.full((1, 1, 3), 9, np.uint8)
    for text in ("dark:1", "blur:1", "small:4"):
        assert degrade(pixel, Condition.written(text)[0]).shape == (1, 1, 3)
