"""Progress of an extraction: clips done, speed against real time, failed clips, how busy the encoder is."""

from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Self

from ravfeat.extract.decode import ClipEnd, Event, PreparedPiece
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.progress import ProgressBar

__all__ = ["ExtractionProgress"]

_LONG_S = 30.0  # for longer clips the position within the clip is shown


class ExtractionProgress:
    """Bar and log lines of an extraction; see `ravfeat.progress`.

    Parameters
    ----------
    jobs : sequence of EncoderJob
    n_clips : int
        Clips that are still to be read.
    """

    def __init__(self, jobs: Sequence[EncoderJob], n_clips: int) -> None:
        self._jobs = jobs
        self._bar = ProgressBar(total=n_clips, desc="encoding", unit="clip", note=self._note, smoothing=0.05)
        self._started = perf_counter()
        self._media_s = 0.0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: BaseException | type[BaseException] | TracebackType | None) -> None:
        self._bar.__exit__(*error)

    def show(self, event: Event) -> None:
        """Count the end of a clip; within a long clip, show the position."""
        if isinstance(event, ClipEnd):
            if event.recording is not None:
                self._media_s += event.recording.n_samples / event.recording.rate_hz
            self._bar.annotate("")
            self._bar.update()
        elif event.clip.duration_s > _LONG_S:
            self._bar.annotate(_place(event))
            self._bar.update(0)

    def _note(self) -> str:
        seconds = perf_counter() - self._started
        failed = sum(job.n_failed for job in self._jobs)
        busy = sum(job.busy_s for job in self._jobs) / seconds
        return f"{self._media_s / seconds:.3g} x real time, {failed} failed, encoder busy {100 * busy:.0f} %"


def _place(event: PreparedPiece) -> str:
    last = max((piece.times_s[-1] for piece in event.prepared.values() if piece.n_frames), default=0.0)
    return f"{event.clip.clip_id} at {last:.0f} of {event.clip.duration_s:.0f} s"
