"""Summary that commands print after they filled a cache."""

from typing import TYPE_CHECKING

from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.extract import ExtractResult

__all__ = ["show_result"]


def show_result(result: "ExtractResult", seconds: float, *, name: str, brought: bool = False) -> bool:
    """Print a summary of an extraction: shards, speed, gaps and failed clips.

    Parameters
    ----------
    result : ExtractResult
    seconds : float
        How long it took.
    name : str
        What the features were to be called.
    brought : bool
        Whether they were made elsewhere.

    Returns
    -------
    bool
        Whether clips failed.
    """
    echo(
        f"{result.address or result.path}: {result.written} shards written ({result.encoded} clips), {result.present}"
        f" were there, in {seconds:.1f} s"
    )
    if result.restored:
        echo(f"{result.restored} more clips were taken over from an interrupted run")
    if result.busy_s and not brought:
        busy = f"the encoder was busy {100 * result.busy_s / seconds:.0f} % of the time"
        echo(f"{result.encoded / seconds:.1f} clips/s; {busy}")
    if f"-{name}-" not in result.path.name:
        echo(f"features of this very identity were there under another name; '{name}' was not used")
    if result.fallback:
        instead = "their rows are stored as they came" if brought else "the last box or the last landmarks stand in"
        echo(
            f"no face in {result.fallback} of {result.frames} {'rows' if brought else 'pictures'}: {instead};"
            f" 'ravfeat cache info {result.path}' says where"
        )
    if result.several:
        echo(
            f"several faces in {result.several} of {result.frames} pictures: the largest at first, then the one that"
            f" moves least; 'ravfeat cache preview {result.path}' shows whose"
        )
    if result.absent:
        echo(f"{result.absent} clips of this cache are not among the data given now; they stay in it")
    if result.failed:
        echo(f"{len(result.failed)} clips could not be stored:", err=True)
        for clip_id, reason in result.failed.items():
            echo(f"  {clip_id}: {reason}", err=True)
    return bool(result.failed)
