"""Find or download MediaPipe's model files.

The MediaPipe package contains no models. They are downloaded once from Google's model store into the user's
cache folder, checked against a pinned checksum, or given by path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.download.ravdess import fetch
from ravfeat.errors import DownloadError, EncoderError, UsageError
from ravfeat.files import describe_stand_in, sha256_of, user_folder

__all__ = [
    "BLAZE_FACE", "FACE_LANDMARKER", "ModelFile", "PublishedModel", "find_model", "find_recorded_model",
    "models_folder",
]  # fmt: skip


@dataclass(frozen=True)
class PublishedModel:
    """A published model file.

    Attributes
    ----------
    url : str
    sha256 : str
        64 hexadecimal digits.
    licence : str
    """

    url: str
    sha256: str
    licence: str = "Apache-2.0"

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """Suffix of this kind of model: ``.tflite`` or ``.task``."""
        return Path(self.name).suffix


@dataclass(frozen=True)
class ModelFile:
    """A model file on this machine.

    Attributes
    ----------
    path : Path
    sha256 : str
        Computed from the file, not the published value.
    name : str
        Of the file.
    """

    path: Path
    sha256: str
    name: str

    @classmethod
    def of(cls, path: Path) -> "ModelFile":
        """Describe an existing file.

        Raises
        ------
        UsageError
            Where it is empty, or a text stands in for it (a pointer of Git LFS, a web page).
        """
        stand_in = describe_stand_in(path, "model") or ("" if path.stat().st_size else "is empty; download it again")
        if stand_in:
            raise UsageError(f"{path} {stand_in}")
        return cls(path, sha256_of(path), path.name)


_STORE = "https://storage.googleapis.com/mediapipe-models"

BLAZE_FACE = PublishedModel(
    f"{_STORE}/face_detector/blaze_face_short_range/float16/1/blaze_face_short_range.tflite",
    "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
)
"""Detector of faces up to two metres from the camera."""

FACE_LANDMARKER = PublishedModel(
    f"{_STORE}/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)
"""478 landmarks, 52 blendshapes and the head's pose."""

_SUFFIXES = frozenset({BLAZE_FACE.suffix, FACE_LANDMARKER.suffix})


def models_folder() -> Path:
    """Return the folder of downloaded models, below the user's cache folder."""
    return user_folder("models")


def find_model(model: PublishedModel, model_paths: Sequence[Path] = (), *, offline: bool = False) -> ModelFile:
    """Find a model file: among the given paths, in the user's cache folder, or in the model store.

    Parameters
    ----------
    model : PublishedModel
    model_paths : sequence of Path
        Model files, or folders of them; ``.tflite`` files are detectors, ``.task`` files landmarkers. They
        need not be the published models.
    offline : bool
        Fetch nothing.

    Raises
    ------
    UsageError
        A path does not exist or holds no model, or there are several candidates.
    DownloadError
        The file cannot be downloaded, or must not, or the one in the cache folder has another checksum.
    """
    chosen = [path for place in model_paths for path in _models_at(place, model)]
    if len(chosen) > 1:
        raise UsageError(
            f"expected one {model.suffix} file, got {', '.join(map(str, chosen))}; give the one to use by its path"
        )
    if chosen:
        return ModelFile.of(chosen[0])
    # `fetch` compares the checksum, so the published one is that of the file.
    place = models_folder() / model.name
    try:
        if offline and not place.is_file():
            raise DownloadError(f"{model.url} is not on this machine, and nothing is to be fetched")
        return ModelFile(fetch(model.url, place, sha256=model.sha256), model.sha256, model.name)
    except DownloadError as error:
        other = (
            f" What --detector-model names ({', '.join(map(str, model_paths))}) holds no {model.suffix} file."
            if model_paths
            else ""
        )
        raise DownloadError(
            f"{error}. Put that file (sha256 {model.sha256}) at {place}, or anywhere else and name it with"
            f" --detector-model PATH.{other}"
        ) from error


def find_recorded_model(
    model: PublishedModel, digits: str, model_paths: Sequence[Path] = (), *, offline: bool = False
) -> ModelFile:
    """Find the very model file that was used before.

    Parameters
    ----------
    model : PublishedModel
        Of the kind that is looked for; it is fetched where it is the one.
    digits : str
        First digits of the SHA-256.
    model_paths : sequence of Path
        Model files, or folders of them; those of other digests are passed over.
    offline : bool
        Fetch nothing.

    Raises
    ------
    EncoderError
        Where it is not here, and not the published one.
    UsageError, DownloadError
        As `find_model`.
    """
    files = [ModelFile.of(path) for place in model_paths for path in _models_at(place, model, every=True)]
    if chosen := [file for file in files if file.sha256.startswith(digits)]:
        return chosen[0]
    if model.sha256.startswith(digits):
        return find_model(model, offline=offline)
    given = "".join(f"; {file.path} has the SHA-256 {file.sha256}" for file in files)
    raise EncoderError(
        f"the model file of MediaPipe ({model.suffix}) with the SHA-256 {digits}… is not on this machine{given}; name"
        " it: --detector-model PATH"
    )


def _models_at(place: Path, model: PublishedModel, *, every: bool = False) -> list[Path]:
    """List the models of this kind at a given path."""
    place = place.expanduser()
    if place.is_dir():
        held = [path for path in sorted(place.iterdir()) if path.suffix in _SUFFIXES and path.is_file()]
        if not held:
            raise UsageError(f"{place} holds no model: expected a .tflite file (detector) or a .task file (landmarker)")
        # In a folder of several models, the one with the published name is meant.
        published = [path for path in held if path.name == model.name and not every]
        return published or [path for path in held if path.suffix == model.suffix]
    if not place.is_file():
        raise UsageError(f"no model file {place}; expected a .tflite or .task file, or a folder of them")
    if place.suffix not in _SUFFIXES:
        raise UsageError(f"{place}: expected a .tflite file (detector) or a .task file (landmarker)")
    return [place] if place.suffix == model.suffix else []
