"""The real Whisper encoder in two parts, and a few of its steps on real voices."""

import numpy as np
import pytest
import torch

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.top_layers import SplitEncoder
from ravfeat.finetune import FineTunePlan, fine_tune, prepare
from ravfeat.media.sound import read_waveform

pytestmark = pytest.mark.shared


def test_the_real_encoders_two_parts_give_its_layers(shared) -> None:
    encoder = load_encoder(str(shared / "models/whisper-tiny-en-encoder"), "cpu")
    path = sorted((shared / "data/ravdess/Actor_05").glob("*.flac"))[7]
    clip = encoder.prepare(read_waveform(path))
    (whole,) = encoder.encode([clip])
    split = SplitEncoder(encoder, 2)
    lower = split.lower(clip)
    upper = split.upper(lower[-1:], [lower.shape[1]]).detach()
    ours = torch.cat([lower[:, : clip.n_frames], upper[:, 0, : clip.n_frames]]).numpy().transpose(1, 0, 2)
    assert np.linalg.norm(ours - whole) < 1e-5 * np.linalg.norm(whole)


def test_the_real_encoder_learns_from_real_voices_and_never_from_those_it_is_tested_on(shared, tmp_path) -> None:
    data = shared / "data/ravdess"
    whole = scan_ravdess(data)
    few = whole.with_clips(
        clip
        for clip in whole
        if clip.actor[-2:] in {"01", "02", "03"} and clip.label in {"angry", "sad"} and "-01-01-" in clip.clip_id
    )
    plan = FineTunePlan(
        few, data, str(shared / "models/whisper-tiny-en-encoder"), 2, protocol="group3", folds=(0,), epochs=3,
        batch_clips=4, augment="clean", context="clip",
    )  # fmt: skip
    fitted = fine_tune(prepare(plan), tmp_path / "work")
    rows = fitted.predictions.table.to_pylist()
    assert {row["split"]: row["actor"] for row in rows}.keys() == {"val", "test"}
    hits = [np.argmax(row["logits"]) == fitted.predictions.classes.index(row["label"]) for row in rows]
    assert np.mean(hits) > 0.8
