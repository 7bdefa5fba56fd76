"""Detect faces and landmarks with MediaPipe; the only module that imports it.

A MediaPipe task is created for one clip and closed after it: tasks keep state between pictures, and a clip's
features must not depend on the clip before it.
"""

import importlib.util
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError, EncoderError, MissingExtraError
from ravfeat.faces.base import Detection, Mesh
from ravfeat.faces.models import ModelFile
from ravfeat.faces.native_landmarks import LandmarkArrays, detect_landmarks
from ravfeat.faces.native_logs import filtered_stderr

__all__ = ["MIN_CONFIDENCE", "FaceDetector", "FaceLandmarker", "require_mediapipe"]

MIN_CONFIDENCE = 0.5

_EXTRA = "face"


def require_mediapipe() -> None:
    """Raise if MediaPipe is not installed, without importing it.

    Raises
    ------
    MissingExtraError
    """
    if importlib.util.find_spec("mediapipe") is None:
        raise MissingExtraError("mediapipe", _EXTRA)


class _VideoTask:
    """A MediaPipe task in video mode; pictures must be in the order of time.

    Parameters
    ----------
    model : ModelFile

    Raises
    ------
    MissingExtraError
        Where MediaPipe is not installed.
    EncoderError
        Where the file is not a model of this kind.
    """

    kind: str

    def __init__(self, model: ModelFile) -> None:
        self._model = model
        self._time_ms = -1
        with filtered_stderr():
            try:
                # Here and not at the top: commands that detect nothing must not load it.
                import mediapipe
                from mediapipe.tasks.python import BaseOptions, vision
            except ModuleNotFoundError as error:
                raise MissingExtraError(str(error.name), _EXTRA) from error
            self._image = mediapipe.Image
            self._srgb = mediapipe.ImageFormat.SRGB
            self._task = self._open(vision, BaseOptions(model_asset_path=str(model.path)))

    def _open(self, vision: Any, base: Any) -> Any:
        try:
            return self._create(vision, {"base_options": base, "running_mode": vision.RunningMode.VIDEO})
        except (RuntimeError, ValueError, OSError) as error:
            raise EncoderError(
                f"{self._model.path} cannot be loaded as a {self.kind} ({error}); give another file with"
                " --detector-model PATH, or remove it to have the published one fetched"
            ) from error

    def _create(self, vision: Any, options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.close()

    def _look(self, picture: NDArray[np.uint8], time_s: float) -> Any:
        image = self._image(image_format=self._srgb, data=picture)
        first = self._time_ms < 0
        self._time_ms = max(self._time_ms + 1, round(time_s * 1000))  # MediaPipe requires strictly rising milliseconds
        try:
            # The first picture starts the graph, which is when native code prints its messages.
            if not first:
                return self._detect(image, self._time_ms)
            with filtered_stderr():
                return self._detect(image, self._time_ms)
        except (RuntimeError, ValueError) as error:
            raise ClipError(f"the {self.kind} failed on the picture at {time_s:.2f} s ({error})") from error

    def _detect(self, image: Any, time_ms: int) -> Any:
        return self._task.detect_for_video(image, time_ms)


class FaceDetector(_VideoTask):
    """Face detector; use it in a ``with`` block, for one clip."""

    kind = "face detector"

    def _create(self, vision: Any, options: dict[str, Any]) -> Any:
        return vision.FaceDetector.create_from_options(
            vision.FaceDetectorOptions(min_detection_confidence=MIN_CONFIDENCE, **options)
        )

    def detect(self, picture: NDArray[np.uint8], time_s: float) -> list[Detection]:
        """Detect all faces in a picture.

        Parameters
        ----------
        picture : ndarray of shape (H, W, 3), uint8
            RGB.
        time_s : float
            Greater than that of the previous picture.

        Raises
        ------
        ClipError
            Where MediaPipe fails on the picture.
        """
        return [_detection(detection) for detection in self._look(picture, time_s).detections]


def _detection(detection: Any) -> Detection:
    box = detection.bounding_box
    corners = (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
    return Detection(np.array(corners, dtype=np.float64), float(detection.categories[0].score))


class FaceLandmarker(_VideoTask):
    """Landmark detector for one face; use it in a ``with`` block, for one clip."""

    kind = "face landmarker"

    def _create(self, vision: Any, options: dict[str, Any]) -> Any:
        return vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                num_faces=1,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
                **options,
            )
        )

    def detect(self, picture: NDArray[np.uint8], time_s: float) -> Mesh | None:
        """Detect the landmarks of one face; None where there is no face.

        Parameters and errors as for `FaceDetector.detect`.
        """
        landmarks: LandmarkArrays | None = self._look(picture, time_s)
        if landmarks is None:
            return None
        height, width = picture.shape[:2]
        points = landmarks.points.astype(np.float64) * (width, height, width)
        return Mesh(points.astype(np.float32), landmarks.blendshapes, landmarks.pose)

    def _detect(self, image: Any, time_ms: int) -> LandmarkArrays | None:
        return detect_landmarks(self._task, image, time_ms)
