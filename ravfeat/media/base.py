"""What reading sound and reading pictures have in common."""

from pathlib import Path

from ravfeat.errors import MediaError

__all__ = ["check_file", "check_whole", "reason_of"]


def check_file(path: Path) -> None:
    """Refuse what cannot hold anything.

    Raises
    ------
    MediaError
        Where the path is no file, or an empty one.
    OSError
        As the system gives it.
    """
    if not path.is_file():
        raise MediaError(f"{path} is {'not a file' if path.exists() else 'not there'}")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes)")


def check_whole(path: Path, got_s: float, promised_s: float) -> None:
    """Refuse a file whose header promises more than could be decoded.

    Parameters
    ----------
    path : Path
    got_s : float
    promised_s : float
        NaN where the header says nothing.

    Raises
    ------
    MediaError
        Where more than a tenth of a second and more than 5 % are missing.
    """
    # A container may round its duration and a codec may pad; a lost tail is longer than both.
    if promised_s - got_s > max(0.1, 0.05 * promised_s):
        raise MediaError(f"{path} is truncated: its header promises {promised_s:.2f} s, {got_s:.2f} s could be decoded")


def reason_of(error: BaseException) -> str:
    """Say what a library complains about, in one line and without the path."""
    # Errors of the system, FFmpeg and libsndfile repeat the path; their text alone is enough.
    text = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".").replace("\n", " ") or type(error).__name__
