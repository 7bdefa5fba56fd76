"""Options of a reproduction of the study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["StudyOptions"]


@dataclass(frozen=True)
class StudyOptions:
    """Options of a reproduction.

    Attributes
    ----------
    out : Path
        Holds the finished steps, the table and the report; the same command goes on from what is there.
    caches : tuple of Path
        Caches, or folders that hold some.
    data : Path or None
        The corpus's media, for features that no cache holds and for fine-tuning; None leaves both out.
    home : Path
        Where new caches go.
    encoder : str or None
        An encoder at hand that stands in for published ones which are not.
    roles : mapping of str to Path
        Caches whose role their name does not tell; see `ravfeat.reproduce.caches.ROLES`.
    device : str
    seeds : int
        Of heads that depend on one.
    fine_tune : bool
        Fine-tune encoders too.
    models : tuple of Path
        MediaPipe's models, where they cannot be fetched.
    """

    out: Path
    caches: tuple[Path, ...] = (Path("cache"),)
    data: Path | None = None
    home: Path = Path("cache")
    encoder: str | None = None
    roles: Mapping[str, Path] = field(default_factory=dict)
    device: str = "cpu"
    seeds: int = 3
    fine_tune: bool = False
    models: tuple[Path, ...] = ()
