"""Small pictures of a video, evenly spaced, for the page's timeline."""

import io
from contextlib import closing
from pathlib import Path

from PIL import Image

from ravfeat.demo.page.pictures import Frame
from ravfeat.errors import MediaError
from ravfeat.media.pictures import Picture, read_pictures
from ravfeat.media.probe import probe_duration

__all__ = ["thumbnails"]

_WIDTH, _HEIGHT = 240, 160


def thumbnails(path: Path, n: int = 6) -> list[Frame]:
    """Read pictures at the middles of n equal parts.

    Parameters
    ----------
    path : Path
    n : int

    Returns
    -------
    list of Frame
        Fewer where the video has fewer pictures; none where it has no pictures that can be read: why not is the
        predictor's to say.
    """
    duration_s = probe_duration(path, "video")
    wanted_s = [(place + 0.5) * duration_s / n for place in range(n)]
    frames: list[Frame] = []
    try:
        with closing(read_pictures(path)) as pictures:
            for picture in pictures:
                # A NaN, of a file without a length, compares as false.
                if len(frames) < n and picture.time_s >= wanted_s[len(frames)]:
                    frames.append(_frame(picture))
                if len(frames) == n:
                    break
    except MediaError:
        return []
    return frames


def _frame(picture: Picture) -> Frame:
    image = Image.fromarray(picture.rgb)
    width, height = image.size
    image.thumbnail((_WIDTH, _HEIGHT))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return Frame(picture.time_s, file.getvalue(), width, height)
