"""Load the encoders that a published head's features were made with, and hold each against what the head recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import ENCODERS, LoadRules, Pretrained, load_encoder
from ravfeat.errors import DownloadError, EncoderError, UsageError
from ravfeat.escape import printable
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, find_recorded_model, models_folder
from ravfeat.faces.source import FaceOptions, FaceSource
from ravfeat.faces.steps import FaceSteps, parse_steps
from ravfeat.files import sha256_of
from ravfeat.model_origin import COMMIT, IN_RAVFEAT, ModelOrigin
from ravfeat.published.caches import differences
from ravfeat.published.parts import Need, PublishedSystem
from ravfeat.runs.trust import is_imported

__all__ = [
    "ModelFinder", "can_be_fetched", "check_model_names", "model_key", "net_at_hand", "record_models",
]  # fmt: skip

_SHOWN = 2
_DECIDES = ("stream", "weights", "layer_convention", "preprocessing")


def model_key(need: Need) -> tuple[str, ...]:
    """Give what two needs of one encoder have in common; they may differ in layers, store and view."""
    return tuple(str(need.identity.get(name)) for name in _DECIDES)


@dataclass(frozen=True)
class ModelFinder:
    """Finds and loads the encoders of a head.

    Parameters
    ----------
    device : str
    models : mapping of str to str
        By the encoder's name: the folder, file or hub id to use instead of what the head recorded.
    detector_models : sequence of Path
        Model files of MediaPipe, or folders of them.
    offline : bool
        Open no connection.
    """

    device: str = "auto"
    models: Mapping[str, str] = field(default_factory=dict)
    detector_models: Sequence[Path] = ()
    offline: bool = False

    def load(self, need: Need) -> Encoder[Any]:
        """Load the encoder of a need.

        Raises
        ------
        EncoderError
            Where it is not to be had, or is another one than the head's; what differs is named.
        MissingExtraError
            Where a package is not installed.
        """
        if is_imported(need.identity):
            raise EncoderError(
                f"{_described(need)}: they were imported from files of another program, and no encoder makes them from"
                " a recording; ask for systems that read other features"
            )
        name, rules = self._choose(need)
        try:
            of_faces = need.identity.get("stream") == "face"
            faces = self._options(need) if of_faces else FaceOptions(offline=self.offline)
            encoder = load_encoder(name, self.device, faces=faces, rules=rules)
        except (EncoderError, DownloadError) as error:
            raise EncoderError(f"{_described(need)}: {error}") from error
        if odd := differences(_spread(need.identity), _spread(encoder.spec.identity())):
            more = f" and {len(odd) - _SHOWN} more differences" if len(odd) > _SHOWN else ""
            raise EncoderError(
                f"{_described(need)}: {name} makes others: {'; '.join(odd[:_SHOWN])}{more}; {_advice(need)}"
            )
        return encoder

    def face_source(self, need: Need) -> FaceSource:
        """Make the source that a need's faces are read from.

        Raises
        ------
        EncoderError
            Where a model file is not to be had.
        MissingExtraError
            Where MediaPipe is not installed.
        """
        steps = _steps(need)
        return self._options(need).source(boxes=bool(steps.detector) or steps.cropped, meshes=bool(steps.landmarker))

    def _options(self, need: Need) -> FaceOptions:
        steps = _steps(need)
        try:
            files = tuple(file.path for file in self._face_models(steps))
            return FaceOptions(
                fps=steps.fps, models=files, cropped=steps.cropped, margin=steps.margin, offline=self.offline
            )
        except UsageError as error:
            raise EncoderError(f"{_described(need)}: {error}") from error

    def _face_models(self, steps: FaceSteps) -> list[ModelFile]:
        wanted = ((BLAZE_FACE, steps.detector), (FACE_LANDMARKER, steps.landmarker))
        return [
            find_recorded_model(model, digits, self.detector_models, offline=self.offline)
            for model, digits in wanted
            if digits
        ]

    def _choose(self, need: Need) -> tuple[str, LoadRules]:
        """Say what to load: what the user named, what the head recorded, or the encoder of that name."""
        origin = need.model or {}
        weights = str(need.identity.get("weights"))
        rules = LoadRules(
            weights=weights,
            offline=self.offline,
            settings=origin.get("settings", {}),
            option=f"--model {need.encoder}={'FILE' if origin.get('kind') == 'onnx' else 'FOLDER'}",
        )
        if need.encoder in self.models:
            return self.models[need.encoder], rules
        kind = origin.get("kind")
        if kind in IN_RAVFEAT:
            return kind, rules
        if kind == "code":  # never run because a file names it
            raise EncoderError(
                f"{_described(need)}: they were made by code, {printable(origin.get('reference', 'unnamed'))}, which"
                f" runs only where you name it: --model {need.encoder}=FILE.py:NAME"
            )
        if kind in ("onnx", None) and (net := net_at_hand(weights)) is not None:
            return str(net), rules
        if kind == "onnx":
            raise EncoderError(
                f"{_described(need)}: no net in {models_folder()} has that digest; put"
                f" {' or '.join(origin.get('files', {})) or 'it'} there, or name it: {rules.option}"
            )
        repository, revision = origin.get("repository", ""), origin.get("revision", "")
        # A head may come from anybody: only what can never be other files is fetched for it.
        if repository and COMMIT.fullmatch(revision):
            return f"{repository}@{revision}", replace(rules, pickles=_is_known(repository, revision))
        if not origin and need.encoder in ENCODERS:
            return need.encoder, rules
        raise EncoderError(f"{_described(need)}: the head does not say where that model is to be had; {_advice(need)}")


def check_model_names(models: Iterable[str], needs: Iterable[Need], where: Path) -> None:
    """Refuse a model of a name that is read nowhere.

    Raises
    ------
    UsageError
    """
    names = sorted({need.encoder for need in needs})
    if unknown := sorted(set(models) - set(names)):
        raise UsageError(f"{where} reads no features of '{unknown[0]}'; name one of {', '.join(names)}")


def record_models(parts: Sequence[PublishedSystem], finder: ModelFinder, run: Path) -> tuple[PublishedSystem, ...]:
    """Record where the models come from that the user names, for caches that do not say it.

    Parameters
    ----------
    parts : sequence of PublishedSystem
    finder : ModelFinder
        Its ``models`` are loaded, held against the identity of the features, and recorded.
    run : Path
        For messages.

    Raises
    ------
    EncoderError, MissingExtraError
        As `ModelFinder.load`.
    UsageError
        For a model of a name that the run does not read.
    """
    check_model_names(finder.models, [need for part in parts for need in part.needs], run)
    origins: dict[tuple[str, ...], ModelOrigin] = {}

    def recorded(need: Need) -> Need:
        if need.encoder not in finder.models:
            return need
        key = model_key(need)
        if key not in origins:
            origins[key] = finder.load(need).spec.source
        return replace(need, model=origins[key] | {"name": need.encoder})

    return tuple(replace(part, needs=tuple(map(recorded, part.needs))) for part in parts)


def can_be_fetched(need: Need) -> bool:
    """Whether any machine gets the encoder by the head's own record: it is code of ours, or at a commit on the hub."""
    origin = need.model or {}
    if not origin:
        return need.encoder in ENCODERS
    pinned = "repository" in origin and COMMIT.fullmatch(origin.get("revision", "")) is not None
    return origin.get("kind") in IN_RAVFEAT or pinned


def net_at_hand(weights: str) -> Path | None:
    """Find an ONNX net by its digest in the user's folder of models."""
    nets = sorted(models_folder().glob("*.onnx"))
    return next((net for net in nets if net.is_file() and sha256_of(net) == weights), None)


def _is_known(repository: str, revision: str) -> bool:
    known = [entry for entry in ENCODERS.values() if isinstance(entry, Pretrained)]
    return any(entry.repository == repository and entry.revision in (None, revision) for entry in known)


def _steps(need: Need) -> FaceSteps:
    preprocessing = need.identity.get("preprocessing")
    steps = parse_steps(preprocessing) if isinstance(preprocessing, list) else None
    if steps is None:
        raise EncoderError(
            f"{_described(need)}: its pictures were read by steps that this ravfeat does not know ({preprocessing});"
            " use the ravfeat that made the head"
        )
    return steps


def _described(need: Need) -> str:
    origin = need.model or {}
    place = f", {origin['repository']} at {origin.get('revision', 'no commit')}" if "repository" in origin else ""
    return f"the head reads features of '{need.encoder}' (weights {need.identity.get('weights')}{place})"


def _advice(need: Need) -> str:
    return f"name the model: --model {need.encoder}=FOLDER (or an ONNX file, or OWNER/NAME@REVISION on the hub)"


def _spread(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Give what decides the features; each step by itself, so that a message shows the one that differs."""
    decides = {name: identity.get(name) for name in _DECIDES}
    steps = decides.pop("preprocessing")
    return decides | {f"step {number}": step for number, step in enumerate(steps if isinstance(steps, list) else [], 1)}
