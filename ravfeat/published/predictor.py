"""Predict recordings with a published head: decode, encode, narrow and score, with models that are loaded once.

Windows are encoded by what encodes the clips of an extraction and narrowed by what reads a cache, so a recording gets
the probabilities that the same clip in a cache gets.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.cache.format import StoreRecipe, fingerprint
from ravfeat.documents import Count, check_value
from ravfeat.errors import HeadError, UsageError
from ravfeat.extract.decode import EncoderIndex
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.narrow import StoredLayout, narrow_blocks
from ravfeat.heads.recipe import Layers
from ravfeat.predict.encode import EncodedRecording, EncodedWindow, Stored, encode_recordings, opened
from ravfeat.predict.frames import EncodedFrames
from ravfeat.predict.read import EncoderGroup, Samples, ToPredict, waveform_of
from ravfeat.predict.result import Attention, FilePrediction, SystemPrediction, WindowPrediction
from ravfeat.predict.windows import Windowing
from ravfeat.predictions import System
from ravfeat.published.caches import combine
from ravfeat.published.domain import MEANS, pooled_means
from ravfeat.published.format import HEAD_FILE, REMEDY
from ravfeat.published.parts import Need, PublishedClip, PublishedSystem, Source, mixed_in
from ravfeat.published.scored_clips import ScoredClips, with_views
from ravfeat.published.scorer import Scorer
from ravfeat.schema import FUSED_STREAMS

__all__ = ["Predictor", "Recording"]

Recording = str | Path | Samples

_TWICE = (PublishedClip("0", "0"), PublishedClip("1", "1"))
"""Every window is scored twice, side by side: a product with a single row has other last bits than those of a run."""


class Predictor:
    """A head with the encoders that it needs; made by `PublishedHead.predictor`.

    Parameters
    ----------
    head : Scorer
    groups : sequence of EncoderGroup
        Encoders by what they read; numbered as `needs`.
    needs : sequence of Need
    windowing : Windowing
    sources : sequence of (int or "refit")
        Whose heads answer; the probabilities of several are averaged.
    systems : sequence of System
        Which answers are given.
    max_s : float
        Longer sound is refused as soon as that much is decoded; sources of pictures have limits of their own.
    """

    def __init__(
        self,
        head: Scorer,
        groups: Sequence[EncoderGroup],
        needs: Sequence[Need],
        *,
        windowing: Windowing,
        sources: Sequence[Source],
        systems: Sequence[System],
        max_s: float = math.inf,
    ) -> None:
        self._max_s = max_s
        self._head, self._windowing, self._systems = head, windowing, tuple(systems)
        self._groups, self._sources = groups, tuple(sources)
        self._index = {need.fingerprint: index for index, need in enumerate(needs)}
        self._recipes = {index: recipe_of(need) for index, need in enumerate(needs)}
        self._parts = [part for part in head.parts if all(need.fingerprint in self._index for need in part.reads)]
        self._digests: dict[str, frozenset[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        self._groups = ()  # the encoders' memory is free, whoever still holds the predictor

    def __call__(self, recording: Recording) -> FilePrediction:
        """Predict one recording.

        Parameters
        ----------
        recording : str, Path or (int, ndarray)
            A file, or a rate in Hz with samples (n,) or (n, channels), integers or floats in [-1, 1].

        Returns
        -------
        FilePrediction
            Where the recording cannot be read or encoded, with reasons in place of probabilities.
        """
        return next(self.predict_files([recording]))

    def predict_files(self, recordings: Iterable[Recording]) -> Iterator[FilePrediction]:
        """Predict recordings one after another; the next ones are decoded while one is encoded.

        Raises
        ------
        UsageError
            For samples that are none.
        """
        if not self._groups:
            raise UsageError("this predictor is closed: predict within its with block")
        if isinstance(recordings, str | Path):  # a text would be taken for its letters
            recordings = [recordings]
        to_predict = [_to_predict(recording, number, self._max_s) for number, recording in enumerate(recordings)]
        encoded = encode_recordings(to_predict, self._groups, self._recipes, self._windowing)
        for recording, encoded_recording in zip(to_predict, encoded, strict=True):
            yield self._predict(recording.path, encoded_recording)

    def _predict(self, path: str, encoded: EncodedRecording) -> FilePrediction:
        answers = [
            self._answer(path, window, max(start_s, encoded.sound.start_s))
            for (start_s, _), window in zip(encoded.windows, encoded.stored, strict=True)
        ]
        levels = encoded.sound.speech_db or (math.nan,) * (len(encoded.windows) + 1)
        frames = encoded.frames or EncodedFrames(StoreRecipe(), [])
        windows = tuple(
            WindowPrediction(*window, answers[number], *frames.shares(opened(encoded.windows, number)), levels[number])
            for number, window in enumerate(encoded.windows)
        )
        # Where nothing could be read there is no window, and the reasons are those of the whole.
        of_windows = answers or [self._in_order({part.system: self._without(part, path, encoded.reasons)
                                                 for part in self._parts})]  # fmt: skip
        summary = WindowPrediction(0.0, encoded.duration_s, _summary(of_windows), *frames.shares(), levels[-1])
        trained_on = any(digest in self._taught(stream) for stream, digest in encoded.digests.items())
        return FilePrediction(
            path, self._head.classes, encoded.duration_s, windows, summary, trained_on, encoded.sound.envelope,
            frames.trace,
        )  # fmt: skip

    def _taught(self, stream: str) -> frozenset[str]:
        if stream not in self._digests:
            digests = (self._head.trained_on(source, stream) for source in self._sources)
            self._digests[stream] = frozenset().union(*digests)
        return self._digests[stream]

    def _answer(self, path: str, window: EncodedWindow, start_s: float) -> tuple[SystemPrediction, ...]:
        """Score one window with every system that has features of it."""
        stored = window.stored
        features = [
            self._scored(part, window) if part in self._parts and not self._reason(part, stored) else None
            for part in self._head.parts
        ]
        probs = self._head.score(features, [_TWICE for _ in features], self._sources) if any(features) else {}
        answers = {}
        for part, read in zip(self._head.parts, features, strict=True):
            if read is not None:
                attention = self._attention(part, read, stored, start_s)
                domain = self._domain(part, stored)
                answers[part.system] = SystemPrediction(part.system, probs[part.system][0], "", *domain, attention)
            elif part in self._parts:
                answers[part.system] = self._without(part, path, stored)
        return self._in_order(answers, {system: values[0] for system, values in probs.items()})

    def _without(self, part: PublishedSystem, path: str, stored: Mapping[EncoderIndex, Stored]) -> SystemPrediction:
        return SystemPrediction(
            part.system, None, _short(self._reason(part, stored), path), *self._domain(part, stored)
        )

    def _attention(
        self, part: PublishedSystem, features: ScoredClips, stored: Mapping[EncoderIndex, Stored], start_s: float
    ) -> Attention | None:
        weights = self._head.attention(part.system, features, self._sources)
        clip = stored[self._index[part.needs[0].fingerprint]]
        if weights is None or isinstance(clip, str):
            return None
        # A window of sound is encoded by itself, so its times begin at 0; those of pictures are of the recording.
        times_s = clip.times_s + (start_s if part.needs[0].identity["stream"] == "audio" else 0.0)
        stride = self._recipes[self._index[part.needs[0].fingerprint]].frame_stride
        edges = list(range(0, len(times_s), features.features.window // stride))
        return Attention(np.add.reduceat(times_s, edges) / np.diff([*edges, len(times_s)]), weights[0])

    def _in_order(
        self, answers: dict[System, SystemPrediction], probs: Mapping[System, NDArray[np.float64]] | None = None
    ) -> tuple[SystemPrediction, ...]:
        """Add the mixture, and give the systems that were asked for."""
        for system in (system for system in self._systems if system.stream in FUSED_STREAMS):
            answers[system] = self._mixture(system, answers, (probs or {}).get(system))
        return tuple(answers[system] for system in self._systems)

    def _mixture(
        self, system: System, of_part: Mapping[System, SystemPrediction], probs: NDArray[np.float64] | None
    ) -> SystemPrediction:
        systems = [part.system for part in self._head.parts]
        members = [of_part[systems[number]] for number in mixed_in(systems) if systems[number] in of_part]
        missing = [member for member in members if member.probs is None]
        names = "; ".join(str(member.system) for member in missing)
        reason = f"it mixes all of its systems, and there is no answer of {names}" if missing else ""
        # Where nothing can be heard or seen, that is the reason.
        if len(missing) == len(members) and len({member.reason for member in missing}) == 1:
            reason = missing[0].reason
        distances = [member.domain for member in members if not math.isnan(member.domain)]
        unlike = any(member.unlike for member in members)
        return SystemPrediction(system, probs, reason, max(distances, default=math.nan), unlike)

    def _reason(self, part: PublishedSystem, stored: Mapping[EncoderIndex, Stored]) -> str:
        reasons = [stored[self._index[need.fingerprint]] for need in part.reads]
        return "; ".join(dict.fromkeys(reason for reason in reasons if isinstance(reason, str)))

    def _scored(self, part: PublishedSystem, window: EncodedWindow) -> ScoredClips:
        """Give what a system's heads read of a window, and of its views where these are averaged."""
        clips = combine(part, lambda need, reading: self._features(need, reading, window))
        rows = np.arange(len(_TWICE))
        return with_views(part, clips, lambda _: rows, lambda view, reading: self._features(view, reading, window))

    def _features(self, need: Need, reading: Reading, window: EncodedWindow) -> ClipFeatures:
        """Narrow the features of a window to what a head reads of a cache."""
        index = self._index[need.fingerprint]
        recipe = self._recipes[index]
        held = recipe.layers or ()
        layers = held if need.layers is None else need.layers
        positions = [held.index(layer) for layer in layers]
        clip = window.stored[index]
        if isinstance(clip, str):
            raise HeadError(f"no features of '{need.encoder}': {clip}")
        block = clip.block if layers == held else clip.block[positions]
        statistics = recipe.statistics(str(need.identity["stream"]))
        layout = StoredLayout(block.shape[2], block.dtype, statistics, recipe.frame_stride)
        active = None if window.active is None else [window.active for _ in _TWICE]
        return narrow_blocks([block for _ in _TWICE], layout, layers, reading, active)

    def _domain(self, part: PublishedSystem, stored: Mapping[EncoderIndex, Stored]) -> tuple[float, bool]:
        """Give the largest distance over the caches of a system, and whether one is above its limit."""
        largest, unlike = math.nan, False
        for need in part.needs:
            clip, domain = stored[self._index[need.fingerprint]], self._head.domain(need.fingerprint)
            if isinstance(clip, str) or domain is None:
                continue
            pooled = pooled_means(self._features(need, MEANS, EncodedWindow(stored)))[0]
            distance = float(np.mean([domain.distance(source, pooled) for source in self._sources]))
            unlike |= distance > float(np.mean([domain.limit(source) for source in self._sources]))
            largest = distance if math.isnan(largest) else max(largest, distance)
        return largest, unlike


class _StoredAs(TypedDict):
    stream: Literal["audio", "face"]
    layers: Layers
    store: Literal["frames", "pooled"]
    frame_stride: Count
    dtype: Literal["float16", "float32"]
    view: str


def recipe_of(need: Need) -> StoreRecipe:
    """Say how the features of a cache were stored, from its identity.

    Raises
    ------
    HeadError
        For an identity that no extraction has.
    """
    where = f"{HEAD_FILE}: identity of the cache '{need.encoder}'"
    stored = check_value(dict(need.identity), _StoredAs, where, HeadError, REMEDY)
    if fingerprint(dict(need.identity)) != need.fingerprint:
        raise HeadError(f"{where} is not what its fingerprint {need.fingerprint} stands for; {REMEDY}")
    layers = tuple(stored["layers"])
    if outside := sorted(set(need.layers or ()) - set(layers)):
        raise HeadError(f"{where} has the layers {list(layers)}, and {outside} are to be read; {REMEDY}")
    return StoreRecipe(layers, stored["store"], stored["frame_stride"], stored["dtype"], stored["view"])


def _to_predict(recording: Recording, number: int, limit_s: float) -> ToPredict:
    if isinstance(recording, str | Path):
        return ToPredict(str(recording), limit_s=limit_s)
    name = f"samples {number}"
    if not isinstance(recording, tuple) or len(recording) != 2:
        raise UsageError(f"{name}: expected the path of a file, or a rate and samples; got {type(recording).__name__}")
    return ToPredict(name, waveform_of(recording, name))


def _short(reason: str, path: str) -> str:
    return reason.removeprefix(f"{path}: ").removeprefix(f"{path} ")


def _summary(answers: Sequence[tuple[SystemPrediction, ...]]) -> tuple[SystemPrediction, ...]:
    """Average the probabilities of every system over the windows that have some."""
    summaries = []
    for of_system in zip(*answers, strict=True):
        answered = [answer for answer in of_system if answer.probs is not None]
        if not answered:
            summaries.append(SystemPrediction(of_system[0].system, None, of_system[0].reason))
            continue
        probs = np.mean([answer.probs for answer in answered], axis=0)
        domain = float(np.median([answer.domain for answer in answered]))
        unlike = 2 * sum(answer.unlike for answer in answered) > len(answered)
        summaries.append(SystemPrediction(answered[0].system, probs, "", domain, unlike))
    return tuple(summaries)
