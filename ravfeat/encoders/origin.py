"""Record where an encoder came from: repository, commit, licence, digests of its files, how faces are found."""

import re
from pathlib import Path
from typing import Literal

from ravfeat.encoders.onnx_sidecar import NetSettings
from ravfeat.encoders.weights import MODEL_CARD, WeightFolder
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, PublishedModel
from ravfeat.faces.source import FaceSource
from ravfeat.model_origin import FaceModel, FaceOrigin, ModelOrigin

__all__ = ["card_licence", "face_origin", "landmarks_origin", "net_origin", "weights_origin"]

_MAX_CARD_BYTES = 1 << 16
_MAX_LICENCE = 100
_LICENCE = re.compile(r"^license(_name)?:[ \t]*(\S[^\n]*)$", re.MULTILINE)


def weights_origin(folder: WeightFolder, name: str) -> ModelOrigin:
    """Describe a model folder in the format of `transformers`."""
    origin = ModelOrigin(kind="transformers", name=name, files=folder.files_sha256, **folder.source)
    if licence := card_licence(folder.path / MODEL_CARD):
        origin["licence"] = licence
    return origin


def net_origin(net: NetSettings) -> ModelOrigin:
    """Describe an ONNX net, with the settings beside it."""
    origin = ModelOrigin(kind="onnx", name=net.name, files={net.model.name: net.sha256}, settings=dict(net.table))
    if licence := net.table.get("licence"):
        origin["licence"] = str(licence)
    return origin


def landmarks_origin(name: Literal["landmarks", "face-geometry"], landmarker: ModelFile) -> ModelOrigin:
    """Describe what an encoder makes of the landmarks that a model file gives."""
    origin = ModelOrigin(kind=name, name=name)
    if landmarker.sha256 == FACE_LANDMARKER.sha256:
        origin["licence"] = FACE_LANDMARKER.licence
    return origin


def face_origin(source: FaceSource, margin: float | None) -> FaceOrigin:
    """Describe how faces are found and, where an encoder reads crops, cropped."""
    origin = FaceOrigin(cropped=source.cropped)
    if source.fps is not None:
        origin["fps"] = float(source.fps)
    if margin is not None:
        origin["margin"] = float(margin)
    if source.detector is not None:
        origin["detector"] = _model(source.detector, BLAZE_FACE)
    if source.landmarker is not None:
        origin["landmarker"] = _model(source.landmarker, FACE_LANDMARKER)
    return origin


def _model(file: ModelFile, published: PublishedModel) -> FaceModel:
    # By its digest: a file may have any name, and one of this name may be another.
    if file.sha256 == published.sha256:
        return FaceModel(name=published.name, sha256=file.sha256, url=published.url)
    return FaceModel(name=file.name, sha256=file.sha256)


def card_licence(card: Path) -> str:
    """Read the licence from the metadata at the top of a model card; empty where it says none.

    Of ``license: other`` the ``license_name`` counts.
    """
    try:
        with card.open("rb") as file:
            text = file.read(_MAX_CARD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    parts = text.removeprefix("\ufeff").split("---", 2)
    if len(parts) < 3 or parts[0].strip():
        return ""
    said = {match[1] or "": match[2].strip(" \t\r'\"") for match in _LICENCE.finditer(parts[1])}
    licence = said.get("", "")
    if licence == "other":
        licence = said.get("_name", licence)
    return licence if licence.isprintable() and len(licence) <= _MAX_LICENCE else ""
