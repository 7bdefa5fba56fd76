import wave
from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.demo.answer import Answerer
from ravfeat.errors import EncoderError
from ravfeat.predict.result import FilePrediction
from tests.toyprediction import FACE, FUSED, VOICE, facts_of_toy, prediction_of


def sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(1000)
        file.writeframes(b"\x80" * int(1000 * seconds))
    return path


def test_a_recording_of_more_than_30_seconds_is_not_predicted(tmp_path) -> None:
    asked: list[Path] = []

    def predict(path: Path) -> FilePrediction:
        asked.append(path)
        return prediction_of({VOICE: ("sad", 0.6)})

    answerer = Answerer(predict, facts_of_toy())
    assert "the recording is 31 s long, and at most 30 s are answered" in answerer.answer(sound(tmp_path / "a.wav", 31))
    assert asked == []
    assert "The voice says sad, 60 %." in answerer.answer(sound(tmp_path / "b.wav", 30))
    assert asked == [tmp_path / "b.wav"]


def test_a_mistake_is_a_sentence_that_does_not_say_where_files_lie(tmp_path) -> None:
    path = tmp_path / "<b>.wav"

    def predict(path: Path) -> FilePrediction:
        raise EncoderError(f"{path} is <i>no sound</i>")

    html = Answerer(predict, facts_of_toy()).answer(path)
    assert "No answer: the recording is &lt;i&gt;no sound&lt;/i&gt;." in html
    failed = prediction_of({VOICE: f"{path} holds no sound"}, duration_s=float("nan"))
    html = Answerer(lambda _: failed, facts_of_toy()).answer(path)
    assert "No answer: the recording holds no sound." in html
    assert str(tmp_path) not in html


def test_a_visitor_is_not_told_to_run_programs(tmp_path) -> None:
    advice = "a.wav is truncated: a part is missing; copy it again: ffmpeg -i 'a.wav' NEW.wav; if not, buy another"

    def predict(path: Path) -> FilePrediction:
        raise EncoderError(advice)

    failed = prediction_of({VOICE: advice.removeprefix("a.wav ")})
    for html in (
        Answerer(predict, facts_of_toy()).answer(tmp_path / "a.wav"),
        Answerer(lambda _: failed, facts_of_toy()).answer(tmp_path / "a.wav"),
    ):
        assert "is truncated: a part is missing." in html
        assert "ffmpeg" not in html


def test_a_fault_of_the_program_is_no_answer(tmp_path) -> None:
    def predict(path: Path) -> FilePrediction:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Answerer(predict, facts_of_toy()).answer(tmp_path / "a.wav")


def test_of_one_stream_nothing_is_said_of_others(tmp_path) -> None:
    prediction = prediction_of({VOICE: ("sad", 0.6), FACE: "has no video track", FUSED: "no face"})
    answerer = Answerer(lambda _: replace(prediction, file="a"), facts_of_toy())
    html = answerer.answer(tmp_path / "a.wav", ["audio"])
    assert "The voice says sad, 60 %." in html
    assert "video track" not in html
    assert "face" not in html
