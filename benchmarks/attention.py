"""WavLM's attention through torch's fused kernel against the library's own, in whole forward passes.

Random weights of the real sizes; the alternative is the very same model as transformers runs it.
"""

import copy
import time
import warnings
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch
from transformers import WavLMConfig, WavLMModel

from ravfeat.encoders.attention import fuse_attention

__all__ = ["measure"]

ROUNDS = 5
SIZES: dict[str, dict[str, Any]] = {
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
    },
    "base": {},
}
CASES = (("large", 3.7, 1), ("large", 10.0, 1), ("base", 3.7, 1), ("base", 10.0, 1))
"""Size, seconds of audio, clips."""


def measure() -> Iterator[str]:
    """Measure and give one line for each figure."""
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
    for size in SIZES:
        torch.manual_seed(0)
        library = WavLMModel(WavLMConfig(**SIZES[size])).eval()
        fused = copy.deepcopy(library)
        fuse_attention(fused)
        for _, seconds, clips in (case for case in CASES if case[0] == size):
            yield _case(size, library, fused, torch.randn(clips, int(16_000 * seconds)))


def _case(size: str, library: Any, fused: Any, audio: torch.Tensor) -> str:
    times: tuple[list[float], list[float]] = ([], [])
    stacks: list[Any] = []
    with torch.inference_mode():
        for number in range(ROUNDS + 1):
            for model, own in zip((fused, library), times, strict=True):
                start = time.process_time()
                output = model(audio, output_hidden_states=True)
                own.append(time.process_time() - start)
                if number == 0:
                    stacks.append(output.hidden_states)
    apart = max(float((a - b).norm() / b.norm()) for a, b in zip(*stacks, strict=True))
    ratios = [b / a for a, b in zip(times[0][1:], times[1][1:], strict=True)]  # the first round warms up
    return (
        f"WavLM-{size} (random), {len(audio)} x {audio.shape[1] / 16_000:.1f} s: {median(times[0][1:]):.2f} s of"
        f" processor time against {median(times[1][1:]):.2f} of the library's attention, ratio {median(ratios):.2f} ({min(ratios):.2f} to"
        f" {max(ratios):.2f}); hidden states {apart:.0e} apart"
    )
