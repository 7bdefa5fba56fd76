import numpy as np
import pytest

from ravfeat.demo.page.answers import Answer, answers_of, main_answer, of_streams, percent
from ravfeat.predictions import System
from ravfeat.schema import RAVDESS_LABELS
from tests.toyprediction import FACE, FUSED, VOICE, prediction_of, probs_of, window_of

LINEAR = System("fused-linear", FUSED.features, FUSED.head)


def test_together_comes_first_and_mixtures_that_were_not_chosen_are_left_out() -> None:
    window = window_of({VOICE: ("sad", 0.6), LINEAR: ("sad", 0.7), FACE: ("sad", 0.5), FUSED: ("sad", 0.9)})
    answers = answers_of(window)
    assert [(answer.kind, answer.name) for answer in answers] == [
        ("together", "together"), ("voice", "voice"), ("face", "face")
    ]  # fmt: skip
    np.testing.assert_array_equal(answers[0].probs, window.of(FUSED).probs)


def test_several_systems_of_a_stream_are_told_apart_by_head_or_by_all() -> None:
    other = System("audio", "logmel", "logreg")
    third = System("audio", "logmel", "attentive")
    two = answers_of(window_of({VOICE: ("sad", 0.6), other: ("sad", 0.6)}))
    assert [answer.name for answer in two] == ["voice (attentive)", "voice (logreg)"]
    three = answers_of(window_of({VOICE: ("sad", 0.6), other: ("sad", 0.6), third: ("sad", 0.6)}))
    assert [answer.name for answer in three][::2] == ["voice (whisper-tiny-en attentive)", "voice (logmel attentive)"]


@pytest.mark.parametrize(
    ("answer", "label", "why"),
    [
        (Answer("voice", "voice", probs_of("sad", 0.5)), "sad", "sure"),
        (Answer("voice", "voice", probs_of("sad", 0.499)), "", "unsure"),
        (Answer("voice", "voice", probs_of("sad", 0.99), unlike=True), "", "unlike"),
        (Answer("voice", "voice", None, "silent"), "", "failed"),
    ],
)
def test_an_emotion_is_named_from_one_half_on_and_never_of_what_is_unlike(answer, label, why) -> None:
    verdict = answer.verdict(RAVDESS_LABELS)
    assert (verdict.label, verdict.why) == (label, why)


def test_of_two_emotions_a_half_is_chance_and_names_none() -> None:
    for prob, label in ((0.74, ""), (0.75, "b")):
        assert Answer("voice", "voice", np.array([1 - prob, prob])).verdict(["a", "b"]).label == label


def test_without_a_mixture_the_first_single_answer_counts() -> None:
    answers = answers_of(window_of({VOICE: ("sad", 0.6), FACE: "no face", FUSED: "no face"}))
    assert main_answer(answers).name == "voice"
    assert main_answer(answers_of(window_of({VOICE: "silent"}))) is None


def test_of_one_stream_nothing_else_is_kept() -> None:
    voice = of_streams(prediction_of(), {"audio"})
    assert [entry.system for window in (*voice.windows, voice.summary) for entry in window.systems] == [VOICE, VOICE]
    assert voice.faces is None
    assert of_streams(prediction_of(), {"audio", "face"}).faces is not None


@pytest.mark.parametrize(("prob", "text"), [(1.0, "> 99 %"), (0.994, "99 %"), (0.0049, "< 1 %"), (0.006, "1 %")])
def test_nothing_is_certain(prob, text) -> None:
    assert percent(prob) == text
