"""Rows that need the recordings: features yet to be extracted, and fine-tuned encoders."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from ravfeat.corpora.synth import generate
from ravfeat.reproduce import StudyOptions, plan_study
from ravfeat.reproduce.extraction import Wish, make_caches, wishes_of
from ravfeat.reproduce.read import lines_of
from ravfeat.reproduce.steps import Tune, estimate_s
from ravfeat.reproduce.work import do_step, is_done


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """Two emotions by 24 actors."""
    whole, few = tmp_path_factory.mktemp("spoken") / "synth", tmp_path_factory.mktemp("few")
    generate(whole)
    for emotion in ("03", "05"):
        for path in whole.rglob(f"03-01-{emotion}-01-01-01-*.wav"):
            shutil.copy(path, few)
    return few


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    config = transformers.WavLMConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    transformers.WavLMModel(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_an_encoder_at_hand_is_extracted_once_and_what_cannot_be_says_why(spoken, encoder, tmp_path) -> None:
    options = StudyOptions(tmp_path / "out", (), data=spoken, home=tmp_path / "cache", encoder=str(encoder))
    wishes = wishes_of(plan_study(options).materials, options)
    roles = ["wavlm", "hubert", "expression", "imagenet", "landmarks", "geometry", "voice"]
    assert [wish.role for wish in wishes] == roles
    here = [wish for wish in wishes if wish.role == "voice"]
    lost = Wish("wavlm", str(tmp_path / "nowhere"))
    reasons = make_caches([lost, *here], options)
    assert list(reasons) == ["wavlm"]
    assert reasons["wavlm"].startswith(f"no cache of {lost.encoder}, and none can be made: ")
    study = plan_study(replace(options, caches=(options.home,)), reasons)
    assert study.materials.found["voice"].clips == 48
    (entry,) = (entry for entry in study.entries if entry.row.key == "5" and not entry.stand_in)
    assert entry.missing == reasons["wavlm"]
    assert wishes_of(study.materials, options)[-1].role != "voice"


def test_faces_without_videos_say_so(spoken, tmp_path) -> None:
    options = StudyOptions(tmp_path / "out", (), data=spoken, home=tmp_path / "cache")
    reasons = make_caches([Wish("imagenet", "mobilenet-v2")], options)
    assert reasons["imagenet"].startswith("no cache of mobilenet-v2, and none can be made: ")


@pytest.mark.slow
def test_an_encoder_that_stands_in_is_fine_tuned_and_stands_in_the_table(spoken, encoder, tmp_path) -> None:
    options = StudyOptions(
        tmp_path / "out", (tmp_path / "none",), data=spoken, home=tmp_path, encoder=str(encoder), fine_tune=True
    )
    study = plan_study(options)
    steps = {step.name: step for step in study.steps}
    step = steps["fine-tuned-tiny-top1"]
    assert isinstance(step, Tune)
    assert estimate_s(step) is None
    folder = tmp_path / "out/steps" / step.name
    assert not is_done(step, folder)
    do_step(step, folder)
    assert is_done(step, folder)
    assert list(folder.parent.iterdir()) == [folder]  # nothing unfinished beside it
    failed = {"fine-tuned-wavlm-large-top6": "no weights of it", "fine-tuned-hubert-base-top3": "no weights of it"}
    lines = {(line.key, line.stand_in): line for line in lines_of(study, {step.name: folder}, failed)}
    (score,) = lines["3b", True].scores
    assert score.conditions == "ravdess6, val, 1 seed, n=48"
    assert lines["3b", True].differs == (f"{encoder} in place of hubert-base, its top layer",)
    assert lines["4", False].missing == "no weights of it"
