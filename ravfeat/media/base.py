"""Checks shared by audio and video decoding: missing, empty and truncated files; messages of decoders."""

from pathlib import Path

from ravfeat.errors import MediaError

__all__ = ["check_file", "check_whole", "reason_of"]


def check_file(path: Path) -> None:
    """Refuse a path that is not a file, or an empty file.

    Raises
    ------
    MediaError
        Where the path is not a file, or the file is empty.
    OSError
        Where the system cannot examine the path.
    """
    if not path.is_file():
        raise MediaError(f"{path} is {'not a file' if path.exists() else 'not there'}")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes)")


def check_whole(path: Path, got_s: float, promised_s: float) -> None:
    """Refuse a truncated file: its header promises more than could be decoded.

    Parameters
    ----------
    path : Path
    got_s : float
    promised_s : float
        NaN where the header has no length.

    Raises
    ------
    MediaError
        Where more than a tenth of a second and more than 5 % are missing.
    """
    # Containers round durations and codecs pad their last frame; a truncated tail is longer than either.
    if promised_s - got_s > max(0.1, 0.05 * promised_s):
        raise MediaError(f"{path} is truncated: its header promises {promised_s:.2f} s, {got_s:.2f} s could be decoded")


def reason_of(error: BaseException) -> str:
    """Return a library's error message in one line and without the path."""
    # Errors of the system, FFmpeg and libsndfile repeat the path; these attributes hold the text without it.
    text = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".").replace("\n", " ") or type(error).__name__
