"""Faces as a source: every clip is some pictures at a time, with the face in each."""

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.faces.base import Faces, Mesh
from ravfeat.faces.detect import MIN_CONFIDENCE, FaceDetector, FaceLandmarker, require_mediapipe
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, find_model
from ravfeat.faces.track import TRACKING, FaceTrack, Followed
from ravfeat.manifest import Clip
from ravfeat.media.pictures import read_pictures
from ravfeat.media.source import Recording

__all__ = ["FaceOptions", "FaceSource"]

PIECE_PICTURES = 16
PIECE_BYTES = 1 << 27
"""A piece ends early where its pictures are large."""

MAX_FPS = 1000.0
MAX_MARGIN = 10.0


@dataclass(frozen=True)
class FaceSource:
    """Decodes the pictures of any video and finds the face in each; see `ravfeat.media.source.Source`.

    Parameters
    ----------
    fps : float, optional
        Pictures a second at most; by default, every picture.
    detector, landmarker : ModelFile, optional
        Each looks only where it is given.
    cropped : bool, default False
        The pictures are crops of faces already: the whole picture is the box, and it was found.
    ahead : int
    """

    fps: float | None = None
    detector: ModelFile | None = None
    landmarker: ModelFile | None = None
    cropped: bool = False
    ahead: int = 2

    @property
    def crop_steps(self) -> tuple[str, ...]:
        """What decides the boxes: named, versioned steps, for the identity of what is made from crops."""
        if self.cropped:
            return (self._picture_step, "whole picture is the face/1")
        return (self._picture_step, *_detector_steps(self.detector))

    @property
    def mesh_steps(self) -> tuple[str, ...]:
        """What decides the landmarks; a detector beside the landmarker has no part in them."""
        if self.landmarker is None:
            return (self._picture_step,)
        step = f"mediapipe face landmarker {self.landmarker.sha256[:12]}, video, 1 face, last one where none is found/1"
        return (self._picture_step, step)

    @property
    def _picture_step(self) -> str:
        return f"pictures {'all' if self.fps is None else f'at most {self.fps:.9g} a second'}, upright rgb/1"

    def read(self, clip: Clip, root: Path) -> Generator[Faces, None, Recording]:
        """Decode one clip, sixteen pictures at a time."""
        with ExitStack() as stack:
            finder = _Finder(
                self.cropped,
                stack.enter_context(FaceDetector(self.detector)) if self.detector else None,
                stack.enter_context(FaceLandmarker(self.landmarker)) if self.landmarker else None,
            )
            pictures = stack.enter_context(closing(read_pictures(root / clip.path, fps=self.fps)))
            seen: list[_Seen] = []
            while True:
                try:
                    picture = next(pictures)
                except StopIteration as end:
                    recording: Recording = end.value
                    break
                seen.append(finder.look(picture.rgb, picture.time_s))
                if len(seen) == PIECE_PICTURES or sum(one.rgb.nbytes for one in seen) > PIECE_BYTES:
                    yield _piece(seen)
                    seen = []
            if seen:
                yield _piece(seen)
            return recording

    def provenance(self) -> dict[str, Any]:
        """Versions of what decodes, finds and cuts."""
        finds = self.detector is not None or self.landmarker is not None
        return {name: version(name) for name in ("av", "pillow", *(["mediapipe"] if finds else []))}


def _detector_steps(detector: ModelFile | None) -> tuple[str, ...]:
    if detector is None:
        return ()
    found = f"mediapipe face detector {detector.sha256[:12]}, video, confidence {MIN_CONFIDENCE:g}/1"
    return (found, TRACKING)


@dataclass(frozen=True)
class _Seen:
    """One picture and what was found in it."""

    rgb: NDArray[np.uint8]
    time_s: float
    face: Followed | None
    mesh: Mesh | None
    mesh_found: bool | None


@dataclass
class _Finder:
    """Looks at the pictures of one clip, one after another."""

    cropped: bool
    detector: FaceDetector | None
    landmarker: FaceLandmarker | None
    _track: FaceTrack = field(default_factory=FaceTrack)
    _mesh: Mesh | None = None

    def look(self, rgb: NDArray[np.uint8], time_s: float) -> _Seen:
        found = None
        if self.landmarker is not None:
            mesh = self.landmarker.detect(rgb, time_s)
            found, self._mesh = mesh is not None, mesh or self._mesh
        return _Seen(rgb, time_s, self._face(rgb, time_s), self._mesh, found)

    def _face(self, rgb: NDArray[np.uint8], time_s: float) -> Followed | None:
        height, width = rgb.shape[:2]
        if self.cropped:
            return Followed(np.array([0.0, 0.0, width, height]), 1.0, found=True, n_faces=1)
        if self.detector is None:
            return None
        return self._track.follow(self.detector.detect(rgb, time_s), time_s, (height, width))


def _piece(seen: list[_Seen]) -> Faces:
    faces = [one.face for one in seen if one.face is not None]
    with_mesh = [one for one in seen if one.mesh_found is not None]
    return Faces(
        pictures=tuple(one.rgb for one in seen),
        times_s=np.array([one.time_s for one in seen]),
        boxes=np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([face.confidence for face in faces], dtype=np.float32),
        found=np.array([face.found for face in faces], dtype=np.bool_),
        meshes=tuple(one.mesh for one in with_mesh),
        mesh_found=np.array([one.mesh_found for one in with_mesh], dtype=np.bool_),
        n_faces=np.array([face.n_faces for face in faces], dtype=np.int64),
    )


@dataclass(frozen=True)
class FaceOptions:
    """What a user may choose about faces.

    Parameters
    ----------
    fps : float, optional
        Pictures a second at most; by default, every picture.
    models : tuple of Path
        Model files, or folders of them, to use instead of the published ones.
    cropped : bool, default False
        The pictures are crops of faces already.
    margin : float, optional
        Of the crops; by default, what the encoder was trained with.

    Raises
    ------
    UsageError
        Where a number is out of range.
    """

    fps: float | None = None
    models: tuple[Path, ...] = ()
    cropped: bool = False
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise UsageError(f"expected pictures a second above 0, at most {MAX_FPS:g}; got {self.fps:g}")
        if self.margin is not None and not 0 < self.margin <= MAX_MARGIN:
            raise UsageError(
                f"expected a margin above 0, at most {MAX_MARGIN:g} (1 is the face's box); got {self.margin:g}"
            )

    def source(self, *, boxes: bool, meshes: bool) -> FaceSource:
        """Make the source; fetches the models that are needed and not there, and no others.

        Parameters
        ----------
        boxes : bool
            Whether an encoder reads crops.
        meshes : bool
            Whether an encoder reads landmarks.

        Raises
        ------
        MissingExtraError
            Where MediaPipe is needed and not installed.
        UsageError, DownloadError
            See `ravfeat.faces.models.find_model`.
        """
        detects = boxes and not self.cropped
        if detects or meshes:
            require_mediapipe()
        return FaceSource(
            fps=self.fps,
            detector=find_model(BLAZE_FACE, self.models) if detects else None,
            landmarker=find_model(FACE_LANDMARKER, self.models) if meshes else None,
            cropped=self.cropped,
        )
