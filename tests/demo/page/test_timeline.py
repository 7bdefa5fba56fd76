import math
import re
from dataclasses import replace

import numpy as np
import pytest

from ravfeat.demo.page.attention import most_attended, relative_attention
from ravfeat.demo.page.timeline import timeline
from ravfeat.predict.result import Envelope
from tests.toyprediction import FACE, FUSED, VOICE, frames_of, prediction_of, unlike, window_of

SAID = [("angry", 0.9), ("angry", 0.7), ("sad", 0.4), ("sad", 0.8)]


def long_one() -> object:
    windows = [window_of({VOICE: answer}, 2 * n, 2 * n + 4) for n, answer in enumerate(SAID)]
    return prediction_of({VOICE: ("sad", 0.6)}, windows, duration_s=10)


def test_windows_that_overlap_stand_one_below_the_other_at_their_times() -> None:
    drawn = timeline(long_one())
    rows = [re.findall(r"<span>([^<]*)</span></li>", row) for row in drawn.split("<ol")[1:]]
    assert rows == [["angry", "unsure"], ["angry", "sad"]]
    places = re.findall(r'rv-window rv-\w+ rv-\w+" style="left:([\d.]+)%;width:([\d.]+)%" title="([^"]*)"', drawn)
    assert places[:2] == [
        ("0.000", "40.000", "0.0 to 4.0 s: angry, 90 %"),
        ("40.000", "40.000", "4.0 to 8.0 s: unsure"),
    ]


def test_a_single_window_says_no_more_than_the_sentence_and_is_left_out() -> None:
    assert "rv-window" not in timeline(prediction_of())


def test_windows_without_a_name_say_why() -> None:
    prediction = unlike(long_one(), VOICE)
    assert timeline(prediction).count("<span>unlike</span>") == 4
    silent = replace(prediction, windows=(window_of({VOICE: "it is silent"}), window_of({VOICE: "it is silent"}, 2, 6)))
    assert timeline(silent).count("<span>no answer</span>") == 2


def test_pictures_have_the_box_of_the_face_that_was_followed() -> None:
    prediction = prediction_of()
    lost = replace(prediction.faces, found=prediction.faces.times_s < 3)
    drawn = timeline(replace(prediction, faces=lost), frames_of())
    boxes = re.findall(r'<i style="left:([\d.]+)%;top:([\d.]+)%;width:([\d.]+)%;height:([\d.]+)%', drawn)
    assert len(boxes) == drawn.count("with the face that was followed") == 4  # later there was no face
    left, top, width, height = map(float, boxes[0])
    assert (left, top) == (pytest.approx(100 * 123 / 320, abs=0.5), pytest.approx(100 * 40 / 180, abs=0.01))
    assert (width, height) == (pytest.approx(100 * 90 / 320, abs=0.01), pytest.approx(100 * 110 / 180, abs=0.01))


def test_the_waveform_is_strong_where_the_head_listened() -> None:
    drawn = timeline(prediction_of())
    strong = re.search(r'rv-level-4" d="M(\d+)', drawn)
    weak = re.search(r'rv-level-0" d="M(\d+)', drawn)
    assert strong is not None
    assert 100 < int(strong[1]) < 160  # the peak is at 0.4 of the recording
    assert int(weak[1]) == 0
    assert "where the head listened, most from 1.3 to 1.8 s" in drawn


def test_attention_of_windows_comes_together_on_one_axis() -> None:
    prediction = long_one()
    attention = relative_attention(prediction, "audio", 100)
    of_one = relative_attention(replace(prediction, windows=prediction.windows[:1]), "audio", 100)
    np.testing.assert_array_equal(attention[:20], of_one[:20])  # before the second window begins
    assert of_one[:40].mean() == pytest.approx(1, rel=0.05)
    assert not of_one[40:].any()
    assert attention.mean() == pytest.approx(1, rel=0.1)
    assert relative_attention(prediction, "face") is None
    even = replace(prediction, windows=(window_of({FACE: ("sad", 0.6)}),))
    assert relative_attention(even, "audio") is None
    flat = np.ones(100)
    flat[30:35] = 3
    start_s, end_s = most_attended(flat, 10.0)
    assert start_s <= 3.0 < 3.5 <= end_s


def test_even_attention_is_no_attention() -> None:
    prediction = prediction_of()
    (window,) = prediction.windows
    attention = window.of(VOICE).attention
    weights = np.full(len(attention.times_s), 1 / len(attention.times_s), np.float32)
    answers = tuple(replace(answer, attention=replace(attention, weights=weights)) for answer in window.systems)
    drawn = timeline(replace(prediction, windows=(replace(window, systems=answers),)))
    assert "listened" not in drawn
    assert "rv-level-4" not in drawn


@pytest.mark.parametrize("duration_s", [math.nan, math.inf, 0.0, -1.0])
def test_what_has_no_length_has_no_timeline(duration_s) -> None:
    assert timeline(replace(prediction_of(), duration_s=duration_s), frames_of()) == ""


def test_a_recording_without_sound_and_pictures_has_no_empty_axis() -> None:
    assert timeline(prediction_of(envelope=None, faces=None)) == ""


@pytest.mark.parametrize("peaks", [[], [0.0] * 400, [math.nan] * 10, [0.0005] * 400])
def test_a_silent_waveform_is_drawn_flat(peaks) -> None:
    drawn = timeline(prediction_of(envelope=Envelope(100.0, np.array(peaks, np.float32))))
    assert "nan" not in drawn


def test_hundreds_of_windows_are_left_to_the_table() -> None:
    windows = [window_of({VOICE: ("sad", 0.6)}, n, n + 2) for n in range(100)]
    assert "rv-window" not in timeline(prediction_of({VOICE: ("sad", 0.6)}, windows, duration_s=101))


def test_ticks_are_few_and_round() -> None:
    for duration_s, last in ((4.0, "3 s"), (0.65, "0.6 s"), (30.0, "25 s"), (3800.0, "3600 s")):
        ticks = re.findall(r"([\d.]+ s)</span>", timeline(prediction_of({FUSED: ("sad", 0.6)}, duration_s=duration_s)))
        assert ticks[-1] == last
        assert len(ticks) <= 7
