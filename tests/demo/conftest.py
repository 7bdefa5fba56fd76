"""A published head of generated voices and faces, and recordings for its page."""

import asyncio
import gc
import warnings
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ravfeat.media.sound import read_waveform
from tests.media.videos import write_video
from tests.spoken import Spoken


@dataclass(frozen=True)
class Demo:
    """Where the head, its face net and recordings lie."""

    head: Path
    models: dict[str, str]
    voice: Path
    silent: Path
    video: Path


@pytest.fixture(scope="session")
def demo(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Two voices and a face, fused, refitted; a voice of two seconds, silence, and a video of the voice."""
    folder = tmp_path_factory.mktemp("demo")
    voice = np.tile(read_waveform(spoken.recording("01-01-03-01-01-01-05")).samples, 3)
    rng = np.random.default_rng(3)
    pictures = [np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(30)]
    return Demo(
        spoken.head,
        spoken.models,
        write_sound(folder / "voice.wav", voice),
        write_sound(folder / "silent.wav", np.zeros(32_000)),
        write_video(folder / "video.mp4", pictures, rate=15, sound=voice),
    )


def write_sound(path: Path, samples: np.ndarray) -> Path:
    """Write samples at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.round(32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def tidy_gradio() -> Iterator[None]:
    """Collect what gradio leaves open (loops, sockets) while that is no error."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(None)  # one that gradio made and keeps for this thread
        gc.collect()
