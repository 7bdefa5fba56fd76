"""Read videos as pictures with the face in each: decode, detect, track; options of the user."""

import math
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
from ravfeat.faces.degrade import degrade
from ravfeat.faces.detect import MIN_CONFIDENCE, FaceDetector, FaceLandmarker, require_mediapipe
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, find_model
from ravfeat.faces.track import TRACKING, FaceTrack, TrackedFace
from ravfeat.manifest import Clip
from ravfeat.media.conditions import Condition
from ravfeat.media.pictures import read_pictures
from ravfeat.media.source import Recording
from ravfeat.resources import processors

__all__ = ["FaceOptions", "FaceSource"]

# Batches are made of whole pieces, and rounding depends on the batch: other bounds give other last bits.
PIECE_PICTURES = 16
PIECE_BYTES = 1 << 27
"""Upper bound of a piece in bytes: with large pictures it holds fewer of them."""

MAX_FPS = 1000.0
MAX_MARGIN = 10.0


@dataclass(frozen=True)
class FaceSource:
    """Source of pictures with faces from video files; see `ravfeat.media.source.Source`.

    Parameters
    ----------
    fps : float, optional
        Pictures per second at most; by default, every picture.
    detector, landmarker : ModelFile, optional
        Each runs only if it is given.
    cropped : bool, default False
        The pictures are crops of faces already: the whole picture is the box, and counts as found.
    limit_s : float
        Longer recordings are refused; see `ravfeat.media.pictures.read_pictures`.
    condition : Condition, optional
        What is done to every picture before a face is looked for in it.
    """

    fps: float | None = None
    detector: ModelFile | None = None
    landmarker: ModelFile | None = None
    cropped: bool = False
    limit_s: float = math.inf
    condition: Condition | None = None

    @property
    def readers(self) -> int:
        """All processors: decoding and finding faces take longer than an encoder on a GPU."""
        return max(2, processors())

    @property
    def crop_steps(self) -> tuple[str, ...]:
        """Names and versions of the steps that determine the boxes; part of the identity."""
        if self.cropped:
            return (self._picture_step, "whole picture is the face/1")
        return (self._picture_step, *_detector_steps(self.detector))

    @property
    def mesh_steps(self) -> tuple[str, ...]:
        """Names and versions of the steps that determine the landmarks; the detector is not among them."""
        if self.landmarker is None:
            return (self._picture_step,)
        step = f"mediapipe face landmarker {self.landmarker.sha256[:12]}, video, 1 face, last one where none is found/1"
        return (self._picture_step, step)

    @property
    def _picture_step(self) -> str:
        which = "all" if self.fps is None else f"at most {self.fps:.9g} a second"
        return f"pictures {which}, upright rgb, square pixels/2"

    def read(self, clip: Clip, root: Path) -> Generator[Faces, None, Recording]:
        """Decode one clip, sixteen pictures at a time."""
        # Whatever was opened is closed in reverse order, also where the reader stops early.
        with ExitStack() as stack:
            finder = _FaceFinder(
                self.cropped,
                stack.enter_context(FaceDetector(self.detector)) if self.detector else None,
                stack.enter_context(FaceLandmarker(self.landmarker)) if self.landmarker else None,
            )
            reading = read_pictures(
                root / clip.path, fps=self.fps, limit_s=self.limit_s, start_s=clip.start_s, end_s=clip.end_s
            )
            pictures = stack.enter_context(closing(reading))
            frames: list[_FaceFrame] = []
            while True:
                try:
                    picture = next(pictures)
                except StopIteration as end:
                    recording: Recording = end.value
                    break
                rgb = picture.rgb if self.condition is None else degrade(picture.rgb, self.condition)
                frames.append(finder.look(rgb, picture.time_s))
                if len(frames) == PIECE_PICTURES or sum(frame.rgb.nbytes for frame in frames) > PIECE_BYTES:
                    yield _take_piece(frames)
            if frames:
                yield _take_piece(frames)
            return recording

    def provenance(self) -> dict[str, Any]:
        """Return the versions of the libraries that decode, detect and crop."""
        finds = self.detector is not None or self.landmarker is not None
        return {name: version(name) for name in ("av", "pillow", *(["mediapipe"] if finds else []))}


def _detector_steps(detector: ModelFile | None) -> tuple[str, ...]:
    if detector is None:
        return ()
    step = f"mediapipe face detector {detector.sha256[:12]}, video, confidence {MIN_CONFIDENCE:g}/1"
    return (step, TRACKING)


@dataclass(frozen=True)
class _FaceFrame:
    """One picture and its face."""

    rgb: NDArray[np.uint8]
    time_s: float
    face: TrackedFace | None
    mesh: Mesh | None
    mesh_found: bool | None


@dataclass
class _FaceFinder:
    """Runs detector and landmarker over the pictures of one clip, in order."""

    cropped: bool
    detector: FaceDetector | None
    landmarker: FaceLandmarker | None
    _track: FaceTrack = field(default_factory=FaceTrack)
    _mesh: Mesh | None = None

    def look(self, rgb: NDArray[np.uint8], time_s: float) -> _FaceFrame:
        found = None
        if self.landmarker is not None:
            mesh = self.landmarker.detect(rgb, time_s)
            # The last mesh is repeated where none is found; `found` keeps the difference.
            found, self._mesh = mesh is not None, mesh or self._mesh
        return _FaceFrame(rgb, time_s, self._face(rgb, time_s), self._mesh, found)

    def _face(self, rgb: NDArray[np.uint8], time_s: float) -> TrackedFace | None:
        height, width = rgb.shape[:2]
        if self.cropped:
            return TrackedFace(np.array([0.0, 0.0, width, height]), 1.0, found=True, n_faces=1)
        if self.detector is None:
            return None
        return self._track.follow(self.detector.detect(rgb, time_s), time_s, (height, width))


def _take_piece(frames: list[_FaceFrame]) -> Faces:
    """Make a piece and empty the list, so that nothing keeps the pictures while the piece's reader waits."""
    faces = [frame.face for frame in frames if frame.face is not None]
    with_mesh = [frame for frame in frames if frame.mesh_found is not None]
    piece = Faces(
        pictures=tuple(frame.rgb for frame in frames),
        times_s=np.array([frame.time_s for frame in frames]),
        boxes=np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([face.confidence for face in faces], dtype=np.float32),
        found=np.array([face.found for face in faces], dtype=np.bool_),
        meshes=tuple(frame.mesh for frame in with_mesh),
        mesh_found=np.array([frame.mesh_found for frame in with_mesh], dtype=np.bool_),
        n_faces=np.array([face.n_faces for face in faces], dtype=np.int64),
    )
    frames.clear()
    return piece


@dataclass(frozen=True)
class FaceOptions:
    """User options for faces.

    Parameters
    ----------
    fps : float, optional
        Pictures per second at most; by default, every picture.
    models : tuple of Path
        Model files, or folders of them, to use instead of the published ones.
    cropped : bool, default False
        The pictures are crops of faces already.
    margin : float, optional
        Margin of the crops; by default the encoder's own.
    offline : bool, default False
        Fetch no model.

    Raises
    ------
    UsageError
        Where a number is out of range.
    """

    fps: float | None = None
    models: tuple[Path, ...] = ()
    cropped: bool = False
    margin: float | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise UsageError(f"expected pictures a second above 0, at most {MAX_FPS:g}; got {self.fps:g}")
        if self.margin is not None and not 0 < self.margin <= MAX_MARGIN:
            raise UsageError(
                f"expected a margin above 0, at most {MAX_MARGIN:g} (1 is the face's box); got {self.margin:g}"
            )

    def source(self, *, boxes: bool, meshes: bool) -> FaceSource:
        """Make the source; download the models that it needs and that are missing.

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
            detector=find_model(BLAZE_FACE, self.models, offline=self.offline) if detects else None,
            landmarker=find_model(FACE_LANDMARKER, self.models, offline=self.offline) if meshes else None,
            cropped=self.cropped,
        )
