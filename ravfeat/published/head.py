"""Predict with a published head: features in, calibrated and fused probabilities out."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.fusion import name_of
from ravfeat.heads.base import Model
from ravfeat.predictions import System
from ravfeat.published.caches import Caches, among_tested, clips_of_caches, match, read_clips, rows_among
from ravfeat.published.documents import Recordings
from ravfeat.published.domain import Domain, read_domain
from ravfeat.published.format import HeadFolder
from ravfeat.published.mixing import score_clips, system_attention
from ravfeat.published.parts import Learned, PublishedClip, PublishedSystem, Source, mixed_in
from ravfeat.published.recordings import read_recordings, taught
from ravfeat.published.scored_clips import ScoredClips
from ravfeat.schema import FUSED_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Unpack

    from ravfeat.predict import FilePrediction
    from ravfeat.published.predictor import Predictor, Recording
    from ravfeat.published.prepare import PredictorOptions

__all__ = ["Fold", "PublishedHead"]

Fold = int | Literal["refit", "mean"] | None

_FLOATS = NDArray[np.float64]


@dataclass(frozen=True)
class PublishedHead:
    """Heads, temperatures and weights of a run; made by `load_head`.

    Attributes
    ----------
    folder : HeadFolder
    classes : tuple of str, length K
    parts : tuple of PublishedSystem
    learned : mapping of (int or "refit") to Learned
    models : mapping of (int or "refit") to tuple of tuple of Model
        For each system, one model per seed; of the sources that were loaded.
    tested : mapping of int to tuple of tuple of PublishedClip
        Of every fold, the clips that it tested, as every system calls them.
    """

    folder: HeadFolder
    classes: tuple[str, ...]
    parts: tuple[PublishedSystem, ...]
    learned: Mapping[Source, Learned]
    models: Mapping[Source, tuple[tuple[Model, ...], ...]]
    tested: Mapping[int, tuple[tuple[PublishedClip, ...], ...]]

    def __repr__(self) -> str:
        systems = "; ".join(map(str, self.systems))
        return f"<PublishedHead {str(self.path)[-150:]} ({systems:.250}; {len(self.classes)} classes)>"

    @property
    def path(self) -> Path:
        """The folder it was loaded from."""
        return self.folder.path

    @property
    def about(self) -> dict[str, Any]:
        """``head.toml``."""
        return self.folder.about

    @property
    def tested_corpus(self) -> str:
        """The corpus whose clips the folds tested: that of the training, but for a test on another corpus."""
        transfer = self.folder.document.get("cross_corpus")
        return self.folder.document["corpus"] if transfer is None else transfer["test"]

    @property
    def window_s(self) -> float | None:
        """Median length of the training clips in seconds; None where the head does not say."""
        return self.folder.document.get("window_s")

    @property
    def systems(self) -> tuple[System, ...]:
        """Every system, and the mixture of all where they are fused: what `probabilities` can tell of."""
        return tuple(self._with_mixtures()[: len(self.parts) + self.fused])

    def _with_mixtures(self) -> list[System]:
        systems = [part.system for part in self.parts]
        members = [systems[number] for number in mixed_in(systems)]
        return [*systems, *(name_of(members, stream) for stream in FUSED_STREAMS if self.fused)]

    @property
    def fused(self) -> bool:
        """Whether systems are fused."""
        return next(iter(self.learned.values())).fusion is not None

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds of the run."""
        return tuple(sorted(self.tested))

    @property
    def refitted(self) -> bool:
        """Whether there are heads that learned from all actors."""
        return "refit" in self.learned

    def domain(self, fingerprint: str) -> Domain | None:
        """Give what the training features of a cache were like; read from the folder when it is first asked for.

        Parameters
        ----------
        fingerprint : str
            Of one of the caches that the systems need.

        Returns
        -------
        Domain or None
            None where the head does not say: it was exported by an older version, or without its caches.

        Raises
        ------
        HeadError
            For a damaged file.
        UsageError
            For a fingerprint of no such cache.
        """
        if fingerprint not in self._domains:
            self._domains[fingerprint] = self._read_domain(fingerprint)
        return self._domains[fingerprint]

    @cached_property
    def _domains(self) -> dict[str, Domain | None]:
        return {}

    def _read_domain(self, fingerprint: str) -> Domain | None:
        models = next(iter(self.models.values()))
        for part, part_models in zip(self.parts, models, strict=True):
            for place, need in enumerate(part.needs):
                if need.fingerprint == fingerprint:
                    return read_domain(self.folder, need, place, part_models[0], list(self.learned))
        needed = dict.fromkeys(need.fingerprint for part in self.parts for need in part.needs)
        raise UsageError(f"{self.path} needs no cache '{fingerprint}'; choose from {', '.join(needed)}")

    def trained_on(self, source: Source, stream: str) -> frozenset[str]:
        """Give the digests of the recordings that heads learned from, or were chosen on.

        Parameters
        ----------
        source : int or "refit"
            Of a fold: all recordings of the training corpus but those that the fold tested.
        stream : str
            ``audio`` or ``face``.

        Returns
        -------
        frozenset of str
            SHA-256 of what was decoded (`ravfeat.cache.format.ClipRecord.input_sha256`); empty where the head does not
            say.

        Raises
        ------
        UsageError
            For a source that the head does not have.
        """
        if source not in self.learned:
            raise UsageError(
                f"{self.path} has no heads of {source!r}; choose from {', '.join(map(repr, self.learned))}"
            )
        tested = {} if source == "refit" else dict(enumerate(self.tested[source]))
        return taught(self._recordings, stream, tested)

    @cached_property
    def _recordings(self) -> list[Recordings]:
        return read_recordings(self.folder, len(self.parts))

    def predict(
        self,
        caches: Caches,
        clip_ids: Sequence[str],
        *,
        fold: Fold = None,
        system: System | None = None,
    ) -> _FLOATS:
        """Give the probabilities of one system: the fused one, or the only one.

        Parameters
        ----------
        caches, clip_ids, fold
            As for `probabilities`.
        system : System, optional
            Another one of `systems`.

        Returns
        -------
        ndarray of shape (N, K)
            In the order of `clip_ids` and `classes`; rows sum to 1.

        Raises
        ------
        UsageError
            For a system that is not here, or where several are not fused and none is named.
        """
        return self._probabilities(caches, clip_ids, fold)[self._named(system)]

    def probabilities(self, caches: Caches, clip_ids: Sequence[str], *, fold: Fold = None) -> dict[System, _FLOATS]:
        """Score clips of caches with every system.

        Parameters
        ----------
        caches : Cache or path, or sequence of them
            Those that the systems read, in any order; they are told apart by their identity.
        clip_ids : sequence of str
            The N clips, as any of the caches calls them; other caches are matched by performance. None may be given, or
            one several times.
        fold : int, "refit", "mean" or None
            A number takes the heads of that fold: clips that it tested get the run's own probabilities, bit for
            bit on the machine of the run. ``refit`` takes the heads that learned from all actors, ``mean`` the mean
            of the calibrated probabilities of all folds. None is ``refit`` where there is one, else ``mean``.

        Returns
        -------
        dict of System to ndarray of shape (N, K)
            Calibrated; where systems are fused, the three mixtures too.

        Warns
        -----
        UserWarning
            Where clips are of the corpus that the heads asked for were trained on, and not tested by that fold:
            their probabilities are no test scores.

        Raises
        ------
        CacheError
            Where a cache is missing, of another encoder, or lacks a clip.
        UsageError
            For a fold that is not here, or was not loaded.

        Notes
        -----
        The last bits of a matrix product depend on the rows that share it. So whoever asks a fold for some of the
        clips that it tested has them scored among all of them, as the run did, if the caches still hold them all.
        """
        return self._probabilities(caches, clip_ids, fold)

    @property
    def allows_missing(self) -> bool:
        """Whether the run averaged over the views that there were of a clip, where some lacked it."""
        return self.about["plan"].get("allow_missing") is True

    def _probabilities(self, caches: Caches, clip_ids: Sequence[str], fold: Fold) -> dict[System, _FLOATS]:
        sources = self.sources(fold)
        groups = match(self.parts, caches)
        own = [group[: len(part.needs)] for part, group in zip(self.parts, groups, strict=True)]  # without views
        flat = list(dict.fromkeys(cache for group in own for cache in group))
        named = dict(zip(flat, clips_of_caches(flat, clip_ids), strict=True))
        asked = [named[group[0]] for group in groups]
        if not clip_ids:
            return {system: np.zeros((0, len(self.classes))) for system in self._with_mixtures()}
        clips: Sequence[Sequence[PublishedClip]] = asked
        corpus = groups[0][0].about["corpus"]
        if corpus == self.about["corpus"]:
            self._warn(asked[0], fold)
        if corpus == self.tested_corpus and fold in self.tested:
            clips = among_tested(groups, asked, self.tested[fold])  # type: ignore[index]  # only numbers are in there
        features = [
            read_clips(part, group, system_clips, allow_missing=self.allows_missing)
            for part, group, system_clips in zip(self.parts, groups, clips, strict=True)
        ]
        scored = self.score(features, clips, sources)
        rows = [rows_among(system_clips, all_) for system_clips, all_ in zip(asked, clips, strict=True)]
        systems = [part.system for part in self.parts]
        of_system = dict(zip(systems, rows, strict=True))
        first = rows[min(mixed_in(systems), default=0)]  # whose rows the mixtures are in
        return {system: probs[of_system.get(system, first)] for system, probs in scored.items()}

    def predictor(self, *, fold: Fold = None, **options: "Unpack[PredictorOptions]") -> "Predictor":
        """Load the encoders that the systems need, and give what predicts recordings with them.

        Parameters
        ----------
        fold : int, "refit", "mean" or None
            As for `probabilities`.
        **options
            See `ravfeat.published.prepare.PredictorOptions`.

        Returns
        -------
        Predictor
            For a ``with`` block; called with a file, or a rate and samples, it gives a
            `ravfeat.predict.FilePrediction`.

        Raises
        ------
        EncoderError, MissingExtraError
            Where an encoder is not to be had.
        UsageError
            For a fold or system that is not here, or windows that are none.

        Examples
        --------
        >>> with head.predictor(device="cuda") as predictor:  # doctest: +SKIP
        ...     predictor("talk.webm").summary
        """
        from ravfeat.published.prepare import prepare_predictor  # brings decoders and encoders

        return prepare_predictor(self, self.sources(fold), **options)

    def predict_files(
        self, recordings: "Iterable[Recording]", *, fold: Fold = None, **options: "Unpack[PredictorOptions]"
    ) -> "Iterator[FilePrediction]":
        """Predict recordings one after another, with encoders that are loaded once; see `predictor`."""
        with self.predictor(fold=fold, **options) as predictor:
            yield from predictor.predict_files(recordings)

    def score(
        self,
        features: Sequence[ScoredClips | None],
        clips: Sequence[Sequence[PublishedClip]],
        sources: Sequence[Source],
    ) -> dict[System, _FLOATS]:
        """Score features that are in memory already.

        Parameters
        ----------
        features : sequence of ScoredClips or None
            One for each system; None for a system that is not to be scored.
        clips : sequence of sequence of PublishedClip
            Which clips each system's rows are; all have the same, in any order. Not looked at where there are no
            features.
        sources : sequence of (int or "refit")
            Whose heads; the probabilities of several are averaged.

        Returns
        -------
        dict of System to ndarray of shape (N, K)
            Each in its own rows; mixtures in those of the first system that is mixed in, and only where all systems
            that are mixed in have features: weights hold for all of them together.

        Raises
        ------
        HeadError
            Where a head gives a clip logits that are not finite.
        """
        systems = [part.system for part in self.parts]
        by_source = [
            score_clips(systems, self.models[source], self.learned[source], features, clips, self.path)
            for source in sources
        ]
        if len(by_source) == 1:
            return by_source[0]
        return {system: np.mean([probs[system] for probs in by_source], axis=0) for system in by_source[0]}

    def attention(
        self, system: System, features: ScoredClips, sources: Sequence[Source]
    ) -> list[NDArray[np.float32]] | None:
        """Say where in clips a system's heads pool from, on average over seeds and sources.

        Parameters
        ----------
        system : System
            One of those that are not mixtures.
        features : ScoredClips
            As for `score`.
        sources : sequence of (int or "refit")

        Returns
        -------
        list of ndarray of shape (T,), float32, or None
            For each clip, weights of its windows of ``reading.window`` encoder frames; they sum to 1. None for a head
            that does not weigh windows.

        Raises
        ------
        UsageError
            For a system that is not here, or is a mixture.
        """
        systems = [part.system for part in self.parts]
        if system not in systems:
            raise UsageError(
                f"{self.path} has no heads of '{System(*system)}'; choose from {'; '.join(map(str, systems))}"
            )
        number = systems.index(system)
        return system_attention([model for source in sources for model in self.models[source][number]], features)

    def sources(self, fold: Fold) -> tuple[Source, ...]:
        """Say whose heads answer.

        Parameters
        ----------
        fold : int, "refit", "mean" or None
            As for `probabilities`.

        Raises
        ------
        UsageError
            For a fold that is not here, or was not loaded.
        """
        sources = self._named_sources(fold)
        if absent := [source for source in sources if source not in self.models]:
            raise UsageError(
                f"{self.path} was loaded with sources={[*self.models]} only, and fold={fold!r} asks for"
                f" {absent[0]!r}; name it in load_head(sources=…), or load all"
            )
        return sources

    def _named_sources(self, fold: Fold) -> tuple[Source, ...]:
        if fold is None:
            fold = "refit" if self.refitted else "mean"
        if fold == "mean" and self.folds:
            return self.folds
        if fold in self.learned:
            return (fold,)  # type: ignore[return-value]  # "mean" is no key
        raise UsageError(
            f"{self.path} has no heads of fold {fold!r}; choose from {', '.join(map(str, [*self.learned, 'mean']))}"
        )

    def _named(self, system: System | None) -> System:
        if system is None and len(self.parts) > 1 and not self.fused:
            raise UsageError(
                f"{self.path} has several systems and they were not fused; name one of"
                f" {'; '.join(map(str, self.systems))}"
            )
        wanted = self.systems[-1] if system is None else System(*system)
        if wanted not in self.systems:
            raise UsageError(f"{self.path} has no system '{wanted}'; choose from {'; '.join(map(str, self.systems))}")
        return wanted

    def _warn(self, clips: Sequence[PublishedClip], fold: Fold) -> None:
        if self.tested_corpus != self.about["corpus"]:
            trained_on = set(clips)
        else:
            trained_on = {clip for number in self.folds for clip in self.tested[number][0]}
            if fold in self.tested:
                trained_on -= set(self.tested[fold][0])  # type: ignore[index]  # only numbers are in there
        if named := [clip.clip_id for clip in clips if clip in trained_on]:
            warnings.warn(
                f"{len(named)} of {len(clips)} clips, the first '{named[0]}', are of those that these heads learned"
                " from: their probabilities are no test scores; give fold=N for the clips that fold N tested",
                stacklevel=4,  # past `_probabilities` and the public method that called it
            )
