"""`ravfeat extract` on a device, beside the CPU: every encoder family, every option that changes what is stored."""

from pathlib import Path

import pytest

from ravfeat.encoders.image import ImageEncoder
from ravfeat.encoders.waveforms import WaveformEncoder
from ravfeat.extract.resume import MAX_DIFFERENCE
from tests.device.models import AUDIO, FACE
from tests.device.table import difference, features_of

OPTIONS: dict[str, dict[str, object]] = {
    "pooled": {"store": "pooled"},
    "frame-stride": {"frame_stride": 4},
    "layers": {"layers": "1-2"},
    "float32": {"dtype": "float32"},
    "view": {"view": "published", "view_seed": 1},
    "batch-clips 3": {"batch_clips": 3},
}


def largest_difference(device: Path, cpu: Path) -> float:
    """Over all clips of all caches; both folders must hold the same ones."""
    given, expected = features_of(device), features_of(cpu)
    assert given.keys() == expected.keys()
    assert all(given[name].keys() == clips.keys() for name, clips in expected.items())
    return max(
        difference(given[name][clip], block) for name, clips in expected.items() for clip, block in clips.items()
    )


@pytest.mark.parametrize("family", [*AUDIO, *FACE])
def test_every_family_gives_the_features_of_the_cpu(family, extract, table, tmp_path) -> None:
    for device in ("cuda", "cpu"):
        extract(tmp_path / device, family, device=device)
    value = largest_difference(tmp_path / "cuda", tmp_path / "cpu")
    table.add(family, "-", "frames", value)
    assert value <= MAX_DIFFERENCE


@pytest.mark.parametrize(("family", "option"), [*(("wavlm", option) for option in OPTIONS), ("vit", "pooled")])
def test_every_option_of_what_is_stored_does(family, option, extract, table, tmp_path) -> None:
    for device in ("cuda", "cpu"):
        extract(tmp_path / device, family, device=device, **OPTIONS[option])
    value = largest_difference(tmp_path / "cuda", tmp_path / "cpu")
    table.add(family, "-", option, value)
    assert value <= MAX_DIFFERENCE


@pytest.mark.parametrize("families", [("wavlm", "whisper", "logmel"), ("vit", "mobilenet")])
def test_several_encoders_in_one_pass_give_what_each_gives_alone(families, extract, files_of, tmp_path) -> None:
    extract(tmp_path / "together", *families)
    for family in families:
        extract(tmp_path / "alone", family)
    assert files_of(tmp_path / "together") == files_of(tmp_path / "alone")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    ("family", "kind", "method"), [("wavlm", WaveformEncoder, "start"), ("vit", ImageEncoder, "encode")]
)
def test_an_interrupted_run_goes_on_to_the_bytes_of_an_uninterrupted_one(
    family, kind, method, extract, files_of, tmp_path, monkeypatch
) -> None:
    sizes = {"batch_clips": 2, "batch_pictures": 4}
    extract(tmp_path / "whole", family, **sizes)
    original, calls = getattr(kind, method), []

    def interrupted(self, batch):
        calls.append(batch)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(kind, method, interrupted)
        done = extract(tmp_path / "resumed", family, code=1, **sizes)
    assert "of 16 clips are kept" in done.stderr
    extract(tmp_path / "resumed", family, **sizes)
    assert files_of(tmp_path / "resumed") == files_of(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
def test_a_cache_of_the_cpu_is_gone_on_with_on_the_device(extract, table, tmp_path) -> None:
    extract(tmp_path / "both", "wavlm", device="cpu", num_shards=2)
    extract(tmp_path / "both", "wavlm")
    extract(tmp_path / "cpu", "wavlm", device="cpu")
    value = largest_difference(tmp_path / "both", tmp_path / "cpu")
    table.add("wavlm", "-", "half on the CPU", value)
    assert value <= MAX_DIFFERENCE
