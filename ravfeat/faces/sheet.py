"""Draw a contact sheet of face crops, to inspect the input of face encoders."""

import io
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ravfeat.errors import MediaError
from ravfeat.faces.crop import crop
from ravfeat.media.pictures import read_pictures

__all__ = ["SheetRow", "draw_sheet", "sheet_png", "stored_crops"]

_GAP = 6
_FRAME = 3
_TITLE = 16
_CAPTION = 12
_PAPER, _INK, _FAINT, _ALARM = "white", "#1a1a1a", "#666666", "#d62728"


@dataclass(frozen=True)
class SheetRow:
    """Some crops of one clip.

    Attributes
    ----------
    title : str
        For example clip and label.
    crops : tuple of ndarray of shape (size, size, 3), uint8
    times_s : tuple of float
    found : tuple of bool
        False where no face was found and another box was used.
    """

    title: str
    crops: tuple[NDArray[np.uint8], ...]
    times_s: tuple[float, ...]
    found: tuple[bool, ...]


def stored_crops(
    path: Path,
    times_s: NDArray[np.float64],
    boxes: NDArray[np.floating],
    found: NDArray[np.floating] | NDArray[np.bool_],
    *,
    margin: float,
    n: int,
    size: int,
    title: str = "",
    start_s: float = math.nan,
    end_s: float = math.nan,
) -> SheetRow:
    """Crop faces out of a video at stored times and boxes.

    Parameters
    ----------
    path : Path
        The video; decoded once, as far as needed.
    times_s : ndarray of shape (T,)
        Rising.
    boxes : ndarray of shape (T, 4)
    found : ndarray of shape (T,)
    margin : float
    n : int
        Number of evenly spaced pictures, the first and the last included; fewer where T is smaller.
    size : int
    title : str
    start_s, end_s : float
        Of a part of the video, from whose start times count; see `ravfeat.media.pictures.read_pictures`.

    Raises
    ------
    MediaError
        Where the video cannot be read, or ends before the last of these times.
    """
    wanted = np.unique(np.linspace(0, len(times_s) - 1, min(n, len(times_s))).round().astype(int))
    crops: list[NDArray[np.uint8]] = []
    with closing(read_pictures(path, start_s=start_s, end_s=end_s)) as pictures:
        for picture in pictures:
            # Half a millisecond of tolerance for rounded times.
            if picture.time_s < times_s[wanted[len(crops)]] - 0.0005:
                continue
            crops.append(crop(picture.rgb, boxes[wanted[len(crops)]], margin=margin, size=size))
            if len(crops) == len(wanted):
                break
        # The loop came to the end of the video with pictures still to be found.
        else:
            missing_s = float(times_s[wanted[len(crops)]])
            raise MediaError(
                f"{path} has no picture at {missing_s:.3f} s, where the cache has one; is it another file?"
            )
    return SheetRow(
        title,
        tuple(crops),
        tuple(float(times_s[index]) for index in wanted),
        tuple(bool(found[index] >= 0.5) for index in wanted),
    )


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Draw clips as rows and their crops as columns; a crop without a detected face has a red frame.

    Parameters
    ----------
    rows : sequence of SheetRow
        At least one; crops of one size.
    """
    if not any(row.crops for row in rows):
        raise ValueError("expected at least one row with a crop")
    size = next(row.crops[0].shape[0] for row in rows if row.crops)
    cell = size + 2 * _FRAME
    width = _GAP + max(len(row.crops) for row in rows) * (cell + _GAP)
    title_font, caption_font = ImageFont.load_default(_TITLE), ImageFont.load_default(_CAPTION)
    width = max(width, *(2 * _GAP + round(title_font.getlength(row.title)) for row in rows))
    row_height = _TITLE + 2 * _GAP + cell + _CAPTION + 2 * _GAP
    sheet = Image.new("RGB", (width, _GAP + len(rows) * row_height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = _GAP + number * row_height
        pen.text((_GAP, top), row.title, font=title_font, fill=_INK)
        for column, (picture, time_s, found) in enumerate(zip(row.crops, row.times_s, row.found, strict=True)):
            corner = (_GAP + column * (cell + _GAP), top + _TITLE + _GAP)
            # The crop is pasted over all of this but a rim.
            if not found:
                pen.rectangle((*corner, corner[0] + cell - 1, corner[1] + cell - 1), fill=_ALARM)
            sheet.paste(Image.fromarray(picture), (corner[0] + _FRAME, corner[1] + _FRAME))
            caption = f"{time_s:.2f} s" + ("" if found else "  no face")
            pen.text(
                (corner[0] + _FRAME, corner[1] + cell + 2), caption, font=caption_font, fill=_FAINT if found else _ALARM
            )
    return sheet


def sheet_png(rows: Sequence[SheetRow]) -> bytes:
    """Encode the sheet as PNG; equal rows give equal bytes."""
    buffer = io.BytesIO()
    draw_sheet(rows).save(buffer, "PNG")
    return buffer.getvalue()
