"""Code a waveform as mp3 and decode it again, in memory."""

import io

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["through_mp3"]


def through_mp3(samples: NDArray[np.float32], sample_rate_hz: int, kbits: int) -> NDArray[np.float32]:
    """Give what is left of a waveform after mp3.

    Parameters
    ----------
    samples : ndarray of shape (n,), float32
        In [-1, 1].
    sample_rate_hz : int
        One of mp3's.
    kbits : int
        Bits per second, in thousands; constant.

    Returns
    -------
    ndarray of shape (m,), float32
        What coder and decoder add at both ends is cut off as the file says, so m is n, or a frame more.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        track = out.add_stream("libmp3lame", rate=sample_rate_hz, layout="mono")
        track.bit_rate = kbits * 1000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "fltp", "mono")
        frame.sample_rate = sample_rate_hz
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    file.seek(0)
    with av.open(file, "r", format="mp3") as coded:
        frames = [part.to_ndarray().reshape(-1) for part in coded.decode(audio=0)]
    return np.asarray(np.concatenate(frames), np.float32)
