import pytest

from ravfeat.demo.page.sentence import notes, sentence
from ravfeat.predictions import System
from tests.toyprediction import FACE, FUSED, VOICE, prediction_of, unlike, window_of

OTHER = System("audio", "logmel", "logreg")
BOTH = {VOICE: ("happy", 0.71), FACE: ("surprised", 0.55), FUSED: ("surprised", 0.634)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (BOTH, "The voice says happy, the face surprised; together surprised, 63 %."),
        ({**BOTH, FACE: ("happy", 0.6)}, "Voice and face both say happy; together surprised, 63 %."),
        ({**BOTH, FACE: ("happy", 0.4)}, "The voice says happy, the face is unsure; together surprised, 63 %."),
        ({**BOTH, VOICE: ("happy", 0.4)}, "The voice is unsure, the face says surprised; together surprised, 63 %."),
        (
            {VOICE: ("happy", 0.4), FACE: ("sad", 0.3), FUSED: ("sad", 0.4)},
            "Voice and face are both unsure; together they are unsure: no emotion has 50 % or more.",
        ),
        ({VOICE: ("happy", 0.71)}, "The voice says happy, 71 %."),
        ({VOICE: ("happy", 0.41)}, "Unsure: the voice gives no emotion 50 % or more."),
        ({VOICE: ("happy", 0.7), FACE: ("sad", 0.6)}, "The voice says happy, the face sad."),
        ({VOICE: ("happy", 0.7), FACE: "no face was found", FUSED: "no face"}, "The voice says happy, 70 %."),
        (
            {VOICE: ("sad", 0.7), OTHER: ("sad", 0.6), FACE: ("sad", 0.6), FUSED: ("sad", 0.8)},
            "All 3 say sad; together sad, 80 %.",
        ),
        ({VOICE: "is silent"}, "No answer: the recording is silent."),
        ({VOICE: "it is silent"}, "No answer: it is silent."),
        ({VOICE: "it is silent", FACE: "no face", FUSED: "x"}, "No answer. Voice: it is silent; face: no face."),
        ({VOICE: "cut off", FACE: "cut off", FUSED: "x"}, "No answer: cut off."),
    ],
)
def test_the_sentence(said, words) -> None:
    assert sentence(prediction_of(said)) == words


def test_of_a_recording_unlike_the_training_clips_no_emotion_is_named() -> None:
    prediction = unlike(prediction_of(BOTH), VOICE, FUSED)
    assert sentence(prediction) == "No emotion is named: this recording is unlike what this head has learned from."
    (note,) = notes(prediction)
    assert note.startswith("The voice is unlike what this head has learned from: another room")


def test_notes_tell_what_else_bears_on_the_answer() -> None:
    said = {VOICE: ("happy", 0.7), FACE: "no face was found", FUSED: "no face was found"}
    assert notes(prediction_of(BOTH)) == []
    assert notes(prediction_of(said, trained_on=True)) == [
        "This recording taught the head: its answer is no test of it.",
        "No answer from the face: no face was found.",
    ]
    crowd = prediction_of(BOTH, summary=window_of(BOTH, face_found=0.5, faces_several=0.3))
    assert notes(crowd) == [
        "A face was found in 50 % of the pictures.",
        "Several faces in 30 % of the pictures: the largest is followed.",
    ]


def test_a_change_from_window_to_window_is_told() -> None:
    labels = ["angry", "angry", "sad"]
    windows = [window_of({VOICE: (label, 0.8)}, start, start + 3.7) for start, label in enumerate(labels)]
    assert notes(prediction_of({VOICE: ("sad", 0.6)}, windows, duration_s=6)) == ["It changes: angry, then sad."]
