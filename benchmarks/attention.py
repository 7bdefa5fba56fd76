"""WavLM's attention through torch's fused kernel against the library's own: one layer of it, and a whole pass.

Random weights of the real sizes; the alternative is the very same model as transformers runs it. One thread, in
processor time: what another program does on the machine then hardly matters.
"""

import copy
import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from transformers import WavLMConfig, WavLMModel

from ravfeat.encoders.attention import fuse_attention

__all__ = ["measure"]

ROUNDS = 5
LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
SECONDS = (3.7, 10.0, 30.0)
FRAME_RATE_HZ = 50
REPEATS = 10  # of one layer, within a round


def measure() -> Iterator[str]:
    """Measure and give one line for each figure."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _sizes()
    finally:
        torch.set_num_threads(threads)


def _sizes() -> Iterator[str]:
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
    for size, settings in (("large", LARGE), ("base", {})):
        torch.manual_seed(0)
        library = WavLMModel(WavLMConfig(**settings)).eval()
        fused = copy.deepcopy(library)
        fuse_attention(fused)
        for seconds in SECONDS:
            x = torch.randn(1, int(FRAME_RATE_HZ * seconds), library.config.hidden_size)
            yield _line(f"one attention layer of WavLM-{size}, {seconds} s", *_layers(library, fused, x))
        audio = torch.randn(1, 160_000)
        yield _line(f"WavLM-{size}, all of it, 10 s", *_passes(library, fused, audio)) + _apart(library, fused, audio)


def _layers(library: Any, fused: Any, x: torch.Tensor) -> tuple[list[float], list[float]]:
    theirs, ours = (model.encoder.layers[1].attention for model in (library, fused))
    bias = library.encoder.layers[0].attention.compute_bias(x.shape[1], x.shape[1])  # one clip: (H, T, T) as it is

    def run(layer: Any) -> None:
        for _ in range(REPEATS):
            layer(x, position_bias=bias)

    return _in_turn(lambda: run(ours), lambda: run(theirs))


def _passes(library: Any, fused: Any, audio: torch.Tensor) -> tuple[list[float], list[float]]:
    return _in_turn(lambda: fused(audio), lambda: library(audio))


def _apart(library: Any, fused: Any, audio: torch.Tensor) -> str:
    with torch.inference_mode():
        ours, theirs = (model(audio, output_hidden_states=True).hidden_states for model in (fused, library))
    apart = max(float((a - b).norm() / b.norm()) for a, b in zip(ours, theirs, strict=True))
    return f"; hidden states {apart:.0e} apart"


def _in_turn(*works: Callable[[], object]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        for _ in range(ROUNDS + 1):
            for work, own in zip(works, times, strict=True):
                start = time.process_time()
                work()
                own.append(time.process_time() - start)
    return times[0][1:], times[1][1:]  # the first round warms up


def _line(what: str, ours: list[float], theirs: list[float]) -> str:
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return (
        f"{what}: {median(ours):.3f} s against {median(theirs):.3f} s of the library, ratio {median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f})"
    )
