"""Load the encoders that a published head needs, grouped by what they read: every file is decoded once for a group."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.encoders.base import Encoder
from ravfeat.errors import UsageError
from ravfeat.faces.source import FaceSource
from ravfeat.media.source import Source
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.predictions import System
from ravfeat.published.models import ModelFinder, check_model_names, model_key
from ravfeat.published.parts import Need, PublishedSystem, mixed_in
from ravfeat.published.scorer import Scorer
from ravfeat.schema import FUSED_STREAMS, Stream

__all__ = ["HeadModels", "ModelGroup", "load_head_models", "load_models_of"]


@dataclass(frozen=True)
class ModelGroup:
    """Encoders that read the same pieces of a recording.

    Attributes
    ----------
    stream : {"audio", "face"}
    source : Source
        Of their pieces.
    encoders : mapping of str to Encoder
        By the fingerprint of the `Need`; several may have one encoder, whose features they store in other ways.
    """

    stream: Stream
    source: Source[Any]
    encoders: Mapping[str, Encoder[Any]]


@dataclass(frozen=True)
class HeadModels:
    """All encoders that are needed.

    Attributes
    ----------
    groups : tuple of ModelGroup
        One for voices; of faces one for each way to read and find them.
    """

    groups: tuple[ModelGroup, ...]


def load_head_models(
    head: Scorer,
    *,
    device: str = "auto",
    models: Mapping[str, str] = {},
    detector_models: Sequence[Path] = (),
    offline: bool = False,
    systems: Collection[System] | None = None,
) -> HeadModels:
    """Load the encoders that a head's systems read, each once.

    Where all are on this machine, no connection is opened. What a head recorded is fetched only from the Hugging Face
    hub, at a commit, and MediaPipe's published models from their store; everything is held against the digests of the
    features that the head learned from before it is used.

    Parameters
    ----------
    head : Scorer
    device : str
        As for `ravfeat.encoders.registry.load_encoder`.
    models : mapping of str to str
        By the encoder's name in the head: a folder, an ONNX file, or a hub id (``owner/name@revision``) to use instead
        of what the head recorded.
    detector_models : sequence of Path
        Model files of MediaPipe, or folders of them.
    offline : bool
        Open no connection in any case.
    systems : collection of System, optional
        Systems that will be asked; the fused one means all that are mixed. Default all.

    Raises
    ------
    EncoderError
        Where an encoder is not to be had, or makes other features than the head learned from. It names encoder,
        digest, repository, commit, and the option that helps.
    MissingExtraError
        Where a package is not installed.
    UsageError
        For a system that the head does not have, or a model of a name that it does not read.
    """
    check_model_names(models, [need for part in head.parts for need in part.needs], head.path)
    needs = [need for part in _asked(head, systems) for need in part.reads]
    return load_models_of(needs, ModelFinder(device, models, detector_models, offline))


def load_models_of(needs: Sequence[Need], finder: ModelFinder) -> HeadModels:
    """Load the encoders of some caches, each once; see `load_head_models`."""
    by_key: dict[tuple[str, ...], Encoder[Any]] = {}
    encoders: dict[str, Encoder[Any]] = {}
    for need in needs:
        key = model_key(need)
        if key not in by_key:
            by_key[key] = finder.load(need)
        encoders[need.fingerprint] = by_key[key]
    groups = _groups({need.fingerprint: need for need in needs}.values(), finder)
    return HeadModels(
        tuple(ModelGroup(stream, source, {name: encoders[name] for name in names}) for stream, source, names in groups)
    )


def _asked(head: Scorer, systems: Collection[System] | None) -> list[PublishedSystem]:
    if systems is None:
        return list(head.parts)
    wanted = {System(*system) for system in systems}
    if unknown := sorted(wanted - set(head.systems)):
        raise UsageError(f"{head.path} has no system '{unknown[0]}'; choose from {'; '.join(map(str, head.systems))}")
    if any(system.stream in FUSED_STREAMS for system in wanted):
        wanted |= {head.parts[number].system for number in mixed_in([part.system for part in head.parts])}
    return [part for part in head.parts if part.system in wanted]


def _groups(needs: Iterable[Need], finder: ModelFinder) -> list[tuple[Stream, Source[Any], list[str]]]:
    voices: list[str] = []
    faces: list[tuple[FaceSource, list[str]]] = []
    for need in needs:
        if need.identity.get("stream") != "face":
            voices.append(need.fingerprint)
            continue
        source = finder.face_source(need)
        for number, (other, names) in enumerate(faces):
            if (both := _together(other, source)) is not None:
                faces[number] = both, [*names, need.fingerprint]
                break
        else:
            faces.append((source, [need.fingerprint]))
    audio: list[tuple[Stream, Source[Any], list[str]]] = [("audio", WaveformSource(), voices)] if voices else []
    return [*audio, *(("face", source, names) for source, names in faces)]


def _together(first: FaceSource, second: FaceSource) -> FaceSource | None:
    """Merge two sources of the same pictures, one of which may look for what the other does not; else None."""
    if first.fps != second.fps:
        return None
    with_boxes = [source for source in (first, second) if source.detector is not None or source.cropped]
    with_meshes = [source for source in (first, second) if source.landmarker is not None]
    if len({(source.detector, source.cropped) for source in with_boxes}) > 1:
        return None
    if len({source.landmarker for source in with_meshes}) > 1:
        return None
    merged = with_boxes[0] if with_boxes else first
    return replace(merged, landmarker=with_meshes[0].landmarker) if with_meshes else merged
