"""What every engine offers: workers that take shards and answer, as a `Pool`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

import ravfeat.errors
from ravfeat.errors import MissingExtraError, RavfeatError
from ravfeat.extract.report import ShardReport
from ravfeat.extract.work_plan import ShardNumbers
from ravfeat.short_repr import short_repr

__all__ = ["USUAL_WORKERS", "Answer", "Counts", "EngineOptions", "Pool", "Problem"]

USUAL_WORKERS = 2
"""Where no GPU is used."""


@short_repr
@dataclass(frozen=True)
class EngineOptions:
    """How many workers, and where.

    Attributes
    ----------
    workers : int, optional
        Default: one for every GPU that is used, else two.
    gpus_per_worker : int, optional
        GPUs that one worker computes on; default one, where the device is no CPU.
    address : str, optional
        Of a Ray cluster, or ``auto``; without it Ray runs on this machine.
    slurm : mapping of str to str
        Options of ``sbatch``, such as ``partition`` and ``time``.
    """

    workers: int | None = None
    gpus_per_worker: int | None = None
    address: str | None = None
    slurm: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How far a worker is with the shards that it was given.

    Attributes
    ----------
    clips, failed : int
    media_s : float
        Length of the clips in seconds.
    busy_s : float
        Seconds that the encoders computed.
    """

    clips: int = 0
    failed: int = 0
    media_s: float = 0.0
    busy_s: float = 0.0


@dataclass(frozen=True)
class Problem:
    """An error of a worker, in a form that every process can read.

    Attributes
    ----------
    kind : str
        Name of a class of `ravfeat.errors`.
    text : str
    """

    kind: str
    text: str

    @classmethod
    def of(cls, error: RavfeatError) -> Self:
        """Describe an error."""
        return cls(type(error).__name__, str(error))

    def error(self) -> RavfeatError:
        """Return the error that is described."""
        kind = getattr(ravfeat.errors, self.kind, RavfeatError)
        # The one class whose constructor takes something else than the message.
        error: RavfeatError = RavfeatError(self.text) if kind is MissingExtraError else kind(self.text)
        return error


AnswerKind = Literal["counts", "done", "refused", "died"]


@dataclass(frozen=True)
class Answer:
    """What a worker says, or what became of it.

    Attributes
    ----------
    worker : int
    kind : {"counts", "done", "refused", "died"}
        How far it is; its shards are written; it met an error that all workers would meet; it ended.
    counts : Counts
    report : ShardReport, optional
        Of ``done``, and of ``refused`` and ``died`` as far as it came.
    problem : Problem, optional
        Of ``refused``.
    reason : str
        Of ``died``.
    """

    worker: int
    kind: AnswerKind
    counts: Counts = Counts()
    report: ShardReport | None = None
    problem: Problem | None = None
    reason: str = ""


class Pool(Protocol):
    """Workers that each take shards, one order at a time; a worker that died is replaced when it gets the next.

    Attributes
    ----------
    workers : int
    handed_out_at_once : bool
        Whether the shards are divided once, as workers cannot come back for more.
    """

    workers: int
    handed_out_at_once: bool

    def submit(self, worker: int, numbers: ShardNumbers) -> None:
        """Give shards to a worker that has none."""
        ...

    def answers(self, timeout_s: float) -> list[Answer]:
        """Wait for answers."""
        ...

    def stop(self) -> list[ShardReport]:
        """Stop all workers; they keep what is encoded, and report what they wrote."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
