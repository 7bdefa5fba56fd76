"""Small videos for tests: four coloured quarters, noise, any codec, any timestamps."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

RED, GREEN, BLUE, GREY = (250, 0, 0), (0, 250, 0), (0, 0, 250), (120, 120, 120)


def quarters(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Red and green above, blue and grey below."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return picture


def corners(picture: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The middles of the four quarters: above left and right, below left and right."""
    height, width = picture.shape[:2]
    return [tuple(picture[y, x]) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def noise(n: int, width: int = 160, height: int = 120) -> list[NDArray[np.uint8]]:
    """Pictures that no codec makes small."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (height, width, 3), np.uint8) for _ in range(n)]


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 25,
    stamps_ms: Sequence[int] | None = None,
    rotation: int | None = None,
    mirrored: bool = False,
    pixel: Fraction | None = None,
    sound_s: float = 0.0,
    sound: NDArray[np.float32] | None = None,
    **options: str,
) -> Path:
    """Encode pictures, one every 1 / rate seconds or at the given times; options are the muxer's."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        if stamps_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if sound_s:
            sound = np.random.default_rng(0).uniform(-0.5, 0.5, round(sound_s * 16_000)).astype(np.float32)
        voice = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        stream.pix_fmt, reformatter = pix_fmt, VideoReformatter()
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            # Where several threads convert a picture, the first pixels of their parts can come out wrong.
            frame = reformatter.reformat(frame, format=pix_fmt, threads=1)
            if stamps_ms is not None:
                frame.pts, frame.time_base = stamps_ms[number], Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
        if voice is not None:
            block = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            block.sample_rate = 16_000
            for packet in [*voice.encode(block), *voice.encode(None)]:
                container.mux(packet)
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def overwrite(path: Path, share: float, n_bytes: int = 300) -> Path:
    """Put zeros into a file."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * share)
    data[start : start + n_bytes] = bytes(n_bytes)
    path.write_bytes(data)
    return path
