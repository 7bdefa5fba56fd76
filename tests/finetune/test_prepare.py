"""What is refused before anything is trained."""

import shutil

import pytest

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.errors import EncoderError, LeakError, MediaError, ProtocolError, UsageError
from ravfeat.finetune import prepare


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unfreeze_top": 4}, "4 top layers cannot be trained: 'stable' has 3 layers; choose 1 to 3"),
        ({"augment": "reverb"}, "no view 'reverb'; choose from clean, gain, noise, mask, crop, published"),
        ({"head": "logreg"}, "no head 'logreg' to train with an encoder; choose from attentive, attentive-sum$"),
        ({"head": "joint"}, "no head 'joint' to train with an encoder; choose from attentive, attentive-sum$"),
        ({"head": "joined"}, "no head 'joined' to train with an encoder"),
        ({"folds": (0, 4)}, "protocol 'group4' has no fold 4; choose from 0 to 3, with commas between"),
        ({"folds": (1, 1)}, "expected every fold once, got 1, 1"),
        ({"folds": ()}, "expected every fold once, got none"),
        ({"lr": 0.0}, "lr must be a number above 0, got 0.0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"protocol": "ravdess7"}, "no protocol 'ravdess7'"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message, plan_of) -> None:
    with pytest.raises(UsageError, match=message):
        prepare(plan_of(**changes))


@pytest.mark.parametrize("encoder", ["logmel", "landmarks", "nets/expression.onnx", "facial-emotions"])
def test_encoders_of_other_families_are_refused(encoder, plan_of) -> None:
    with pytest.raises(EncoderError, match=f"'{encoder}' is no speech encoder with layers to train; expected .* wavlm"):
        prepare(plan_of(encoder=encoder))


def test_the_leaky_protocol_needs_to_be_asked_for(plan_of) -> None:
    with pytest.raises(LeakError, match=r"'clip6' puts clips of one actor on both sides.*Add --allow-leak"):
        prepare(plan_of(protocol="clip6"))
    prepared = prepare(plan_of(protocol="clip6", allow_leak=True))
    assert prepared.protocol.leaky
    assert prepared.n_folds == 6


def test_actors_that_share_a_recording_stay_together_whatever_the_files_are_called(plan_of, spoken, tmp_path) -> None:
    for path in spoken.glob("*.wav"):
        shutil.copy(path, tmp_path)
    shutil.copy(next(spoken.glob("03-01-05-*-01.wav")), next(tmp_path.glob("03-01-04-*-02.wav")))
    with pytest.raises(ProtocolError, match="at least 4 groups of clips that share no actor, performance or recording"):
        prepare(plan_of(root=tmp_path))


def test_published_groups_with_one_recording_on_two_sides_are_a_leak(plan_of, spoken, tmp_path) -> None:
    one = sorted(spoken.glob("*-01.wav"))
    for actor in range(1, 25):
        for path in one:
            shutil.copy(path, tmp_path / f"{path.stem[:-2]}{actor:02d}.wav")
    with pytest.raises(LeakError, match="fold 0 of 'ravdess6' leaks: recording"):
        prepare(plan_of(root=tmp_path, protocol="ravdess6"))


def test_clips_that_cannot_be_used_are_named(plan_of, spoken, tmp_path) -> None:
    for path in spoken.glob("*.wav"):
        shutil.copy(path, tmp_path)
    plan = plan_of(root=tmp_path)
    bad = scan_ravdess(tmp_path).clips[3]
    (tmp_path / bad.path).write_bytes(b"RIFF")
    with pytest.raises(MediaError, match=f"1 of 32 clips cannot be used: .*{bad.path}.*; mend them, or leave them out"):
        prepare(plan)
