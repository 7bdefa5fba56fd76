"""An encoder in two parts: together they are the whole, and only the top learns."""

import numpy as np
import pytest
import torch

from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.top_layers import SplitEncoder
from ravfeat.errors import EncoderError, UsageError

FAMILIES = [
    ("WavLM", {"feat_extract_norm": "layer", "do_stable_layer_norm": True}),
    ("WavLM", {"feat_extract_norm": "group"}),
    ("Hubert", {"feat_extract_norm": "group"}),
    ("Hubert", {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "attn_implementation": "eager"}),
    ("Wav2Vec2", {"feat_extract_norm": "group"}),
    ("UniSpeechSat", {"feat_extract_norm": "group"}),
]
WHISPER = {
    "encoder_layers": 2,
    "d_model": 32,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "max_source_positions": 1500,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


def both_parts(split, clips, attended=None):
    """Layers of every clip from the lower part and the batched upper part, (T, L, D) each."""
    lower = [split.lower(clip) for clip in clips]
    lengths = attended or [states.shape[1] for states in lower]
    entry = torch.zeros(len(clips), max(lengths), lower[0].shape[2])
    for row, (states, n) in enumerate(zip(lower, lengths, strict=True)):
        entry[row, :n] = states[-1, :n]
    upper = split.upper(entry, lengths).detach()
    return [
        torch.cat([states[:, : clip.n_frames], upper[:, row, : clip.n_frames]]).numpy().transpose(1, 0, 2)
        for row, (states, clip) in enumerate(zip(lower, clips, strict=True))
    ]


@pytest.mark.parametrize(("family", "settings"), FAMILIES)
@pytest.mark.parametrize("n_top", [1, 2])
def test_both_parts_together_give_the_frozen_encoders_layers_whatever_else_is_in_the_batch(
    family, settings, n_top, save_tiny, noise, far_apart
) -> None:
    encoder = load_encoder(str(save_tiny(family, **settings)), "cpu")
    clips = [encoder.prepare(noise(n)) for n in (16_000, 5_000, 9_001)]
    whole = [encoder.encode([clip])[0] for clip in clips]
    for ours, theirs in zip(both_parts(SplitEncoder(encoder, n_top), clips), whole, strict=True):
        assert far_apart(ours, theirs) < 2e-6


@pytest.mark.parametrize("n_top", [1, 2])
def test_whispers_own_frames_come_first_of_its_thirty_seconds(n_top, save_tiny, noise, far_apart) -> None:
    encoder = load_encoder(str(save_tiny("Whisper", **WHISPER)), "cpu")
    clips = [encoder.prepare(noise(n)) for n in (16_000, 5_000)]
    split = SplitEncoder(encoder, n_top)
    assert split.lower(clips[0]).shape[1] == 1500
    for ours, theirs in zip(both_parts(split, clips), encoder.encode(clips), strict=True):
        assert far_apart(ours, theirs) < 2e-6


def test_whispers_top_layers_can_be_kept_from_the_silence_after_the_clip(save_tiny, noise, far_apart) -> None:
    encoder = load_encoder(str(save_tiny("Whisper", **WHISPER)), "cpu")
    clips = [encoder.prepare(noise(n)) for n in (16_000, 5_000)]
    split = SplitEncoder(encoder, 1)
    together = both_parts(split, clips, [clip.n_frames for clip in clips])
    for ours, clip in zip(together, clips, strict=True):
        (alone,) = both_parts(split, [clip], [clip.n_frames])
        assert far_apart(ours, alone) < 2e-6


@pytest.mark.parametrize(("family", "settings"), FAMILIES[:3])
@pytest.mark.parametrize("n_top", [1, 2])
def test_gradients_reach_exactly_the_top_layers_and_the_norm_after_them(
    family, settings, n_top, save_tiny, noise
) -> None:
    encoder = load_encoder(str(save_tiny(family, **settings)), "cpu")
    split = SplitEncoder(encoder, n_top)
    states = split.lower(encoder.prepare(noise(8_000)))
    upper = split.upper(states[-1:], [states.shape[1]])
    torch.autograd.backward((upper * torch.randn_like(upper)).sum())
    reached = {name for name, value in split.parameters().items() if value.grad is not None}
    tops = tuple(f"encoder.layers.{2 - n}." for n in range(1, n_top + 1))
    wanted = {name for name in split.parameters() if name.startswith(tops)}
    if settings.get("do_stable_layer_norm"):
        wanted |= {"encoder.layer_norm.weight", "encoder.layer_norm.bias"}
    assert reached == wanted == {f"encoder.{name}" for name in split.learned}
    assert all(np.isfinite(split.parameters()[name].grad.numpy()).all() for name in wanted)


def test_only_the_top_layers_ever_leave_evaluation_mode(save_tiny) -> None:
    encoder = load_encoder(str(save_tiny("WavLM")), "cpu")
    split = SplitEncoder(encoder, 1)
    split.train(training=True)
    training = {name for name, module in encoder.model.named_modules() if module.training}
    assert training
    assert all(name.startswith("encoder.layers.1") for name in training)
    split.train(training=False)
    assert not any(module.training for module in encoder.model.modules())


def test_more_layers_than_there_are_and_families_without_layers_are_refused(save_tiny) -> None:
    encoder = load_encoder(str(save_tiny("WavLM")), "cpu")
    with pytest.raises(UsageError, match="3 top layers cannot be trained: 'tiny' has 2 layers; choose 1 to 2"):
        SplitEncoder(encoder, 3)
    with pytest.raises(EncoderError, match="'logmel' is of the family 'LogMelEncoder', whose layers cannot be trained"):
        SplitEncoder(LogMelEncoder(), 1)
    other = load_encoder(str(save_tiny("Data2VecAudio", name="other", conv_pos_kernel_size=3)), "cpu")
    with pytest.raises(EncoderError, match=r"of the family 'data2vec-audio'.*expected one of wavlm, hubert"):
        SplitEncoder(other, 1)
