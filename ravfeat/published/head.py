"""Load a published head and predict: features in, calibrated and fused probabilities out."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.errors import HeadError, UsageError
from ravfeat.features.clips import ClipFeatures
from ravfeat.fusion import name_of
from ravfeat.heads.base import Model
from ravfeat.predictions import System
from ravfeat.published.caches import clips_of_caches, match, read_clips
from ravfeat.published.checks import check_clips, check_document, check_learned, check_models
from ravfeat.published.documents import FoldClips, LearnedFile
from ravfeat.published.format import CLIPS_FILE, LEARNED_FILE, HeadFolder, open_folder
from ravfeat.published.mixing import probabilities, system_logits
from ravfeat.published.parts import Learned, PublishedClip, PublishedSystem, clips_of, mixed_in
from ravfeat.published.scores import check_scores
from ravfeat.resources import format_size, physical_memory
from ravfeat.schema import FUSED_STREAMS

__all__ = ["Fold", "PublishedHead", "Source", "load_head"]

Source = int | Literal["refit"]
"""Whose heads: those of one fold, or those that were refitted on all actors."""

Fold = int | Literal["refit", "mean"] | None

_FLOATS = NDArray[np.float64]

_MAX_LEARNED_BYTES = 4 << 20
_MAX_CLIPS_BYTES = 16 << 20  # 200,000 names of clips


@dataclass(frozen=True)
class PublishedHead:
    """Heads, temperatures and weights of a run; made by `load_head`.

    Attributes
    ----------
    path : Path
    classes : tuple of str, length K
    parts : tuple of PublishedSystem
    learned : mapping of (int or "refit") to Learned
    models : mapping of (int or "refit") to tuple of tuple of Model
        For each system, one model per seed.
    tested : mapping of int to tuple of tuple of PublishedClip
        Of every fold, the clips that it tested, as every system calls them.
    about : dict
        ``head.toml``.
    """

    path: Path
    classes: tuple[str, ...]
    parts: tuple[PublishedSystem, ...]
    learned: Mapping[Source, Learned]
    models: Mapping[Source, tuple[tuple[Model, ...], ...]]
    tested: Mapping[int, tuple[tuple[PublishedClip, ...], ...]]
    about: dict[str, Any]

    def __repr__(self) -> str:
        systems = "; ".join(map(str, self.systems))
        return f"<PublishedHead {self.path} ({systems}; {len(self.classes)} classes)>"

    @property
    def systems(self) -> tuple[System, ...]:
        """Every system, and the mixture of all where they are fused: what `probabilities` can tell of."""
        systems = tuple(part.system for part in self.parts)
        if not self.fused:
            return systems
        return (*systems, name_of([systems[number] for number in mixed_in(systems)], "fused"))

    @property
    def fused(self) -> bool:
        """Whether systems are fused."""
        return next(iter(self.learned.values())).fusion is not None

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds whose heads are here."""
        return tuple(sorted(self.tested))

    @property
    def refitted(self) -> bool:
        """Whether heads that learned from all actors are here."""
        return "refit" in self.learned

    def predict(
        self,
        caches: Sequence[Cache | str | Path],
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

    def probabilities(
        self, caches: Sequence[Cache | str | Path], clip_ids: Sequence[str], *, fold: Fold = None
    ) -> dict[System, _FLOATS]:
        """Score clips of caches with every system.

        Parameters
        ----------
        caches : sequence of Cache or path
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
            For a fold that is not here.

        Notes
        -----
        The last bits of a matrix product depend on the rows that share it. So whoever asks a fold for some of the
        clips that it tested has them scored among all of them, as the run did, if the caches still hold them all.
        """
        return self._probabilities(caches, clip_ids, fold)

    def _probabilities(
        self, caches: Sequence[Cache | str | Path], clip_ids: Sequence[str], fold: Fold
    ) -> dict[System, _FLOATS]:
        sources = self._sources(fold)
        groups = match(self.parts, caches)
        flat = list(dict.fromkeys(cache for group in groups for cache in group))
        named = dict(zip(flat, clips_of_caches(flat, clip_ids), strict=True))
        asked = [named[group[0]] for group in groups]
        if not clip_ids:
            return {system: np.zeros((0, len(self.classes))) for system in self._all_systems()}
        clips: Sequence[Sequence[PublishedClip]] = asked
        if groups[0][0].about["corpus"] == self.about["corpus"]:
            self._warn(asked[0], fold)
            clips = self._among_tested(groups, asked, fold)
        features = [
            read_clips(part, group, system_clips)
            for part, group, system_clips in zip(self.parts, groups, clips, strict=True)
        ]
        scored = self.score(features, clips, sources)
        rows = [_rows(system_clips, all_) for system_clips, all_ in zip(asked, clips, strict=True)]
        systems = [part.system for part in self.parts]
        of_system = dict(zip(systems, rows, strict=True))
        first = rows[min(mixed_in(systems), default=0)]  # whose rows the mixtures are in
        return {system: probs[of_system.get(system, first)] for system, probs in scored.items()}

    def score(
        self, features: Sequence[ClipFeatures], clips: Sequence[Sequence[PublishedClip]], sources: Sequence[Source]
    ) -> dict[System, _FLOATS]:
        """Score features that are in memory already.

        Parameters
        ----------
        features : sequence of ClipFeatures
            One for each system.
        clips : sequence of sequence of PublishedClip
            Which clips each system's rows are; all have the same, in any order.
        sources : sequence of (int or "refit")
            Whose heads; the probabilities of several are averaged.

        Returns
        -------
        dict of System to ndarray of shape (N, K)
            Each in its own rows; mixtures in those of the first system that is mixed in.

        Raises
        ------
        HeadError
            Where a head gives a clip logits that are not finite.
        """
        orders = _orders(clips)
        systems = [part.system for part in self.parts]
        by_source = []
        for source in sources:
            logits = [
                system_logits(models, system_features)
                for models, system_features in zip(self.models[source], features, strict=True)
            ]
            self._check_finite(logits, clips)
            by_source.append(probabilities(systems, logits, self.learned[source], orders))
        if len(by_source) == 1:
            return by_source[0]
        return {system: np.mean([probs[system] for probs in by_source], axis=0) for system in by_source[0]}

    def _check_finite(self, logits: Sequence[NDArray[np.float32]], clips: Sequence[Sequence[PublishedClip]]) -> None:
        for part, system_logits_, system_clips in zip(self.parts, logits, clips, strict=True):
            if len(wrong := np.flatnonzero(~np.isfinite(system_logits_).all((1, 2)))):
                raise HeadError(
                    f"{self.path}: {part.system} gives {len(wrong)} of {len(system_clips)} clips no finite logits, the"
                    f" first '{system_clips[wrong[0]].clip_id}': its weights are not those of a trained head; fetch or"
                    " export it again"
                )

    def _all_systems(self) -> list[System]:
        systems = [part.system for part in self.parts]
        members = [systems[number] for number in mixed_in(systems)]
        return [*systems, *(name_of(members, stream) for stream in FUSED_STREAMS if self.fused)]

    def _sources(self, fold: Fold) -> tuple[Source, ...]:
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

    def _among_tested(
        self, groups: Sequence[tuple[Cache, ...]], asked: Sequence[Sequence[PublishedClip]], fold: Fold
    ) -> Sequence[Sequence[PublishedClip]]:
        """Give all clips that a fold tested, where those asked for are some of them; else those asked for."""
        if fold not in self.tested:
            return asked
        whole = self.tested[fold]  # type: ignore[index]  # only numbers are in there
        held = all(clip.clip_id in group[0] for group, clips in zip(groups, whole, strict=True) for clip in clips)
        tested = all(set(clips) <= set(all_) for clips, all_ in zip(asked, whole, strict=True))
        return whole if held and tested else asked

    def _warn(self, clips: Sequence[PublishedClip], fold: Fold) -> None:
        trained_on = {clip for number in self.folds for clip in self.tested[number][0]}
        if fold in self.tested:
            trained_on -= set(self.tested[fold][0])  # type: ignore[index]  # only numbers are in there
        if named := [clip.clip_id for clip in clips if clip in trained_on]:
            warnings.warn(
                f"{len(named)} of {len(clips)} clips, the first '{named[0]}', are of those that these heads learned"
                " from: their probabilities are no test scores; give fold=N for the clips that fold N tested",
                stacklevel=4,  # past `_probabilities` and the public method that called it
            )


def _orders(clips: Sequence[Sequence[PublishedClip]]) -> list[NDArray[np.int64]]:
    """Bring clips into the order in which a run fuses them: of the clip ids, or of the performances."""
    alike = len({frozenset(clip.clip_id for clip in system_clips) for system_clips in clips}) == 1
    keys = [[clip.clip_id if alike else clip.performance_id for clip in system_clips] for system_clips in clips]
    return [np.argsort(np.array(system_clips, dtype=str), kind="stable") for system_clips in keys]


def _rows(asked: Sequence[PublishedClip], clips: Sequence[PublishedClip]) -> NDArray[np.int64]:
    if asked is clips:
        return np.arange(len(asked))
    place = {clip.clip_id: row for row, clip in enumerate(clips)}
    return np.array([place[clip.clip_id] for clip in asked], dtype=np.int64)


def load_head(path: str | Path, *, device: str = "cpu") -> PublishedHead:
    """Load a published head.

    Parameters
    ----------
    path : str or Path
        A folder that ``ravfeat export-heads`` made.
    device : str
        Where networks are computed.

    Returns
    -------
    PublishedHead

    Raises
    ------
    HeadError
        Where there is none, it was written by a newer version, or a file is missing, damaged, not listed with its
        digest, or holds what does not fit together.

    Examples
    --------
    >>> head = ravfeat.load_head("heads/voice-and-face")  # doctest: +SKIP
    >>> head.predict(["cache/ravdess/audio-…", "cache/ravdess/face-…"], ["03-01-06-01-02-01-12"])  # doctest: +SKIP
    """
    from ravfeat.heads.checkpoint import load_model  # brings torch

    folder = open_folder(Path(path))
    parts = tuple(PublishedSystem.of(entry) for entry in folder.document["systems"])
    check_document(folder.path, folder.document, parts)
    learned, tested = _read_learned(folder, parts)
    _check_memory(folder, parts, learned)
    models: dict[Source, tuple[tuple[Model, ...], ...]] = {}
    for source in learned:
        stems = [[stem_of(folder.path, part, source, seed) for seed in part.seeds] for part in parts]
        models[source] = tuple(
            tuple(load_model(stem, device=device, read=folder.read) for stem in of_system) for of_system in stems
        )
        for part, system_models in zip(parts, models[source], strict=True):
            check_models(folder.path, part, system_models, folder.document["classes"])
    check_scores(folder.path, folder.document, parts)
    return PublishedHead(folder.path, tuple(folder.document["classes"]), parts, learned, models, tested, folder.about)


def _read_learned(
    folder: HeadFolder, parts: Sequence[PublishedSystem]
) -> tuple[dict[Source, Learned], dict[int, tuple[tuple[PublishedClip, ...], ...]]]:
    record = folder.read_json(LEARNED_FILE, LearnedFile, _MAX_LEARNED_BYTES)
    check_learned(folder.path, folder.document, record, parts)
    clips = folder.read_json(CLIPS_FILE, list[FoldClips], _MAX_CLIPS_BYTES)
    check_clips(folder.path, folder.document, clips, record, parts)
    learned: dict[Source, Learned] = {entry["fold"]: Learned.of(entry) for entry in record["folds"]}
    if "refit" in record:
        learned["refit"] = Learned.of(record["refit"])
    return learned, clips_of(clips)


def _check_memory(folder: HeadFolder, parts: Sequence[PublishedSystem], sources: Iterable[Source]) -> None:
    """Refuse heads that are larger together than the memory, before the first is read."""
    stems = [stem_of(folder.path, part, source, seed) for source in sources for part in parts for seed in part.seeds]
    files = [stem.with_name(stem.name + ".safetensors") for stem in stems]
    total = sum(path.stat().st_size for path in files if path.is_file())
    if total > physical_memory():
        raise HeadError(
            f"the heads in {folder.path} take {format_size(total)}, and this machine has"
            f" {format_size(physical_memory())} of memory; load them on a larger one"
        )


def stem_of(folder: Path, part: PublishedSystem, source: Source, seed: int) -> Path:
    """Say where a head lies in the folder, without suffix."""
    if source == "refit":
        return folder / "refit" / part.folder / f"seed-{seed}"
    return folder / "folds" / part.folder / f"fold-{source}-seed-{seed}"
