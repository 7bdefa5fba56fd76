"""Two GPUs in one machine fill one cache."""

import gc
from typing import Any

import pytest
import torch

from ravfeat.encoders.registry import load_encoder
from ravfeat.faces.source import FaceOptions
from tests.device.models import SPEECH

BOTH = "cuda:0,cuda:1"

pytestmark = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two CUDA devices")


@pytest.mark.parametrize("family", ["wavlm", "wavlm-group"])
def test_both_devices_are_used_and_the_bytes_are_those_of_one(family, extract, files_of, tmp_path) -> None:
    torch.cuda.reset_peak_memory_stats(1)
    extract(tmp_path / "both", family, device=BOTH, batch_clips=3)
    assert torch.cuda.max_memory_allocated(1) > 2 * 16 * 4_000  # more than one clip's frames: it computed
    extract(tmp_path / "first", family, device="cuda", batch_clips=3)
    assert files_of(tmp_path / "both") == files_of(tmp_path / "first")


def test_a_cache_that_two_cards_began_is_continued_by_one(extract, files_of, tmp_path) -> None:
    extract(tmp_path / "both", "wavlm", device=BOTH, num_shards=2, batch_clips=3)
    extract(tmp_path / "both", "wavlm", device="cuda:0", batch_clips=3)
    extract(tmp_path / "first", "wavlm", device="cuda:0", batch_clips=3)
    assert files_of(tmp_path / "both") == files_of(tmp_path / "first")


@pytest.mark.parametrize("number", [0, 1])
def test_one_card_with_little_memory_left_loses_no_clip(number, extract, pretended, tmp_path) -> None:
    gc.collect()  # what earlier tests left on the card
    pretended.set_limit(number, pretended.memory(number)[0] + 6_000_000)
    done = extract(tmp_path / "out", "wavlm", device=BOTH)
    assert "16 clips" in done.stdout


@pytest.mark.parametrize(("family", "place"), [("logmel", "cpu"), ("vit", "cuda:0")])
def test_an_encoder_that_uses_one_device_says_so(family, place, encoder_of) -> None:
    with pytest.warns(UserWarning, match=f"{family} uses one device only: {place}"):
        load_encoder(encoder_of(family), BOTH, faces=FaceOptions(cropped=True))


def test_a_device_that_is_not_there_is_named_before_an_encoder_is_loaded(extract, tmp_path) -> None:
    done = extract(tmp_path / "out", *SPEECH, device="cuda:0,cuda:31", code=1)
    assert "device 'cuda:31' is not there" in done.stderr


@pytest.mark.parametrize("command", ["fit-heads", "fine-tune"])
def test_other_commands_answer_a_list_with_one_sentence(command: str, here: Any, tmp_path, voices) -> None:
    more = ["--unfreeze-top", 1, "--data", voices] if command == "fine-tune" else []
    done = here(command, "--device", BOTH, *more, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
