"""The source that the encoders of one stream read from.

Offers
------
source_of.
"""

from collections.abc import Sequence
from typing import Any

from ravfeat.encoders.base import Encoder
from ravfeat.extract.sound import WaveformSource
from ravfeat.faces.source import FaceOptions
from ravfeat.schema import Stream
from ravfeat.sources import Source

__all__ = ["source_of"]


def source_of(stream: Stream, encoders: Sequence[Encoder[Any]], faces: FaceOptions) -> Source[Any]:
    """Give one source for all encoders of a stream.

    Parameters
    ----------
    stream : {"audio", "face"}
    encoders : sequence of Encoder
        Face encoders say what they need of every picture: a box, landmarks, or both.
    faces : FaceOptions
    """
    if stream == "audio":
        return WaveformSource()
    needs = {need for encoder in encoders for need in encoder.needs}  # type: ignore[attr-defined]
    return faces.source(boxes="detector" in needs, meshes="landmarker" in needs)
