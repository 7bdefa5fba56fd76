"""Where an encoder came from: what it takes to load it again elsewhere, as shards and published heads store it.

Not part of any identity: the same weights from another place give the same features. What is recorded is held against
the identity when it is used, so a wrong record makes no wrong features.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from ravfeat.documents import Positive, Text, check_value
from ravfeat.errors import RavfeatError
from ravfeat.files import check_name

__all__ = ["COMMIT", "IN_RAVFEAT", "FaceModel", "FaceOrigin", "ModelOrigin", "check_origin", "is_hub_id"]

COMMIT = re.compile("[0-9a-f]{40}")
"""A revision that can never mean other files later."""

IN_RAVFEAT: tuple[str, ...] = (
    "logmel",
    "landmarks",
    "face-geometry",
    "egemaps",
    "egemaps-lld",
    "compare",
    "compare-lld",
)
"""Kinds that are code of ravfeat: the name alone loads them."""

_SHA256 = re.compile("[0-9a-f]{64}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_MAX_REVISION = 200


class FaceModel(TypedDict):
    """A model file of MediaPipe; ``url`` where it is the published one."""

    name: Text
    sha256: Text
    url: NotRequired[Text]


class FaceOrigin(TypedDict):
    """How faces were found and cropped; no ``fps`` is every picture, no ``margin`` nothing cropped."""

    cropped: bool
    fps: NotRequired[Positive]
    margin: NotRequired[Positive]
    detector: NotRequired[FaceModel]
    landmarker: NotRequired[FaceModel]


class ModelOrigin(TypedDict, total=False):
    """Where an encoder came from; every key where it is known.

    ``kind`` says what loads it, ``name`` what it is called. ``repository`` and ``revision`` (a commit) are on the
    Hugging Face hub. ``reference`` names code that a user brought; nothing is ever loaded because it stands here.
    ``licence`` is what its model card or sidecar says. ``files`` are the SHA-256 of its files by
    name. ``settings`` is the table beside an ONNX net, see `ravfeat.encoders.onnx_sidecar`.
    """

    kind: Literal[
        "transformers", "onnx", "landmarks", "face-geometry", "logmel", "egemaps", "egemaps-lld", "compare",
        "compare-lld", "code",
    ]  # fmt: skip
    name: Text
    repository: Text
    revision: Text
    reference: Text
    licence: Text
    files: dict[str, str]
    settings: dict[str, Any]
    faces: FaceOrigin


def is_hub_id(text: str) -> bool:
    """Whether a text can name a repository on the Hugging Face hub.

    Examples
    --------
    >>> is_hub_id("microsoft/wavlm-large"), is_hub_id("../models")
    (True, False)
    """
    return _HUB_ID.fullmatch(text) is not None


def check_origin(
    origin: Mapping[str, Any], where: str, error: type[RavfeatError], remedy: str, *, on_hub: bool = False
) -> ModelOrigin:
    """Check a record from outside; keys that are not known are left out.

    Parameters
    ----------
    origin : mapping
    where, remedy : str
        Begin and end of the message.
    error : type of RavfeatError
    on_hub : bool
        Whether a repository and its revision must be some that the hub can have; programs that write caches may have
        recorded others, which are only shown.

    Raises
    ------
    RavfeatError
        Of the type `error`: for values of other types, names that are not those of files, digests that are none, and
        a repository or revision that is none.
    """
    checked = check_value(origin, ModelOrigin, where, error, remedy)
    repository, revision = checked.get("repository", ""), checked.get("revision", "")
    if on_hub and repository and not is_hub_id(repository):
        raise error(f"{where}: repository is {repository[:60]!a}, expected owner/name; {remedy}")
    if on_hub and (len(revision) > _MAX_REVISION or not revision.isprintable()):
        raise error(f"{where}: revision is {revision[:60]!a}, expected a commit; {remedy}")
    for place, name, digest in _digests(checked):
        check_name(name, f"{where}: a name in {place}", error, remedy)
        if not _SHA256.fullmatch(digest):
            raise error(f"{where}: the digest of {name} is {digest[:70]!a}, expected a SHA-256; {remedy}")
    return checked


def _digests(origin: ModelOrigin) -> Iterator[tuple[str, str, str]]:
    for name, digest in origin.get("files", {}).items():
        yield "files", name, digest
    faces = origin.get("faces", FaceOrigin(cropped=False))
    for place, model in (("detector", faces.get("detector")), ("landmarker", faces.get("landmarker"))):
        if model is not None:
            yield f"faces.{place}", model["name"], model["sha256"]
