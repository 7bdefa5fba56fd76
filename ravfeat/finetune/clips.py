"""Read every clip of a manifest once before training: can it be read, is it long enough, what is its digest."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.errors import ClipError, MediaError
from ravfeat.manifest import Clip, Manifest
from ravfeat.media.augment import augment
from ravfeat.media.parts import PartReader
from ravfeat.media.sound import Waveform
from ravfeat.progress import track_progress

__all__ = ["ClipReader", "ReadClip", "read_all"]

_NAMED = 3
"""Unreadable clips that a message names."""


@dataclass(frozen=True)
class ReadClip:
    """What folds must know of a clip, its recording's digest included; see `ravfeat.protocols.groups.FoldClip`.

    Attributes
    ----------
    clip_id, performance_id, actor, gender, label, path : str
        As in `ravfeat.manifest.Clip`.
    input_sha256 : str
        Of the decoded samples.
    start_s, end_s : float
        Of a part of a file, as in `ravfeat.manifest.Clip`.
    further : mapping of str to str or float
        Its other columns, which may say who is tested.
    """

    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    path: str
    input_sha256: str
    start_s: float = math.nan
    end_s: float = math.nan
    further: Mapping[str, str | float] = field(default_factory=dict, hash=False)

    def facts(self) -> list[str | float]:
        """Return what the digest of the clips covers; of a whole file what it did before clips could be parts."""
        span = [] if math.isnan(self.start_s) and math.isnan(self.end_s) else [repr(self.start_s), repr(self.end_s)]
        return [*astuple(self)[:-3], *span]


@dataclass(frozen=True)
class ClipReader:
    """From a file to an encoder's input.

    Attributes
    ----------
    root : Path
        What paths are relative to.
    encoder : Encoder
    view : str
        How training clips are changed.
    """

    root: Path
    encoder: Encoder[Any]
    view: str = ""
    _parts: PartReader = field(default_factory=PartReader, repr=False, compare=False)

    def clean(self, clip: ReadClip) -> EncoderInput:
        """Read a clip as it is."""
        return self.encoder.prepare(self._waveform(clip))

    def changed(self, clip: ReadClip, seed: int) -> EncoderInput:
        """Read a clip in its view; what is drawn depends on the seed and its performance."""
        waveform = self._waveform(clip)
        rate = waveform.sample_rate_hz
        samples = augment(waveform.samples, rate, view=self.view, seed=seed, key=clip.performance_id)
        return self.encoder.prepare(Waveform(samples, rate))

    def _waveform(self, clip: ReadClip) -> Waveform:
        waveform = self._parts.read(self.root / clip.path, clip.start_s, clip.end_s)
        # Folds were checked with this digest; another recording could be one that is tested.
        if waveform.sha256 != clip.input_sha256:
            raise MediaError(f"{self.root / clip.path} was replaced while this was running; run the same command again")
        return waveform


def read_all(manifest: Manifest, root: Path, encoder: Encoder[Any]) -> list[ReadClip]:
    """Read every clip once, as deep as the encoder's input.

    Returns
    -------
    list of ReadClip
        Sorted by ``clip_id``.

    Raises
    ------
    MediaError
        Where clips cannot be read or are too short or too long, naming the first of them.
    """
    parts = PartReader()

    def read(clip: Clip) -> ReadClip | str:
        try:
            waveform = parts.read(root / clip.path, clip.start_s, clip.end_s)
            encoder.prepare(waveform)
        except (MediaError, ClipError) as error:
            # Given back, not raised: one message names several bad clips, not only the first.
            return f"{'' if clip.path in str(error) else f'{clip.path}: '}{error}"
        return ReadClip(
            clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label, clip.path, waveform.sha256,
            clip.start_s, clip.end_s, clip.further,
        )  # fmt: skip

    with ThreadPoolExecutor(2, thread_name_prefix="read") as pool:
        done = pool.map(read, manifest)
        results = list(track_progress(done, total=len(manifest), desc="reading", unit="clip", leave=False))
    _refuse([result for result in results if isinstance(result, str)], len(manifest))
    return [result for result in results if isinstance(result, ReadClip)]


def _refuse(reasons: Sequence[str], n_clips: int) -> None:
    if reasons:
        more = f" and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
        raise MediaError(
            f"{len(reasons)} of {n_clips} clips cannot be used: {'; '.join(reasons[:_NAMED])}{more}; mend them, or"
            " leave them out with --corpus folder and a table of the others"
        )
