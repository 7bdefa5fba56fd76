"""Landmarks read as arrays: the same numbers as MediaPipe's objects."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.faces.detect import FaceLandmarker
from ravfeat.faces.models import ModelFile
from ravfeat.faces.native_landmarks import LandmarkArrays, detect_landmarks, detect_landmarks_natively

Pictures = list[NDArray[np.uint8]]


def detected(landmarker: ModelFile, pictures: Pictures, detect: Any) -> list[LandmarkArrays | None]:
    with FaceLandmarker(landmarker) as marker:
        images = [marker._image(image_format=marker._srgb, data=picture) for picture in pictures]
        return [detect(marker._task, image, 40 * number) for number, image in enumerate(images)]


def from_objects(task: Any, image: Any, time_ms: int) -> LandmarkArrays | None:
    """As a version of MediaPipe would be read that lacks what is not documented."""

    class Documented:
        def detect_for_video(self, image: Any, time_ms: int) -> Any:
            return task.detect_for_video(image, time_ms)

    return detect_landmarks(Documented(), image, time_ms)


@pytest.mark.shared
def test_arrays_hold_what_the_objects_hold(landmarker: ModelFile, some_faces: Pictures) -> None:
    pictures = [*some_faces, np.full((240, 320, 3), 128, np.uint8)]
    arrays, objects = (detected(landmarker, pictures, how) for how in (detect_landmarks_natively, from_objects))
    assert [face is None for face in arrays] == [face is None for face in objects] == [False] * len(some_faces) + [True]
    for array, of_objects in zip(arrays, objects, strict=True):
        if array is not None and of_objects is not None:
            for name in ("points", "blendshapes", "pose"):
                ours, theirs = getattr(array, name), getattr(of_objects, name)
                assert ours.dtype == theirs.dtype == np.float32
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.shared
def test_this_version_is_read_natively(
    landmarker: ModelFile, some_faces: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mediapipe.tasks.python.vision import FaceLandmarker as Task

    monkeypatch.setattr(Task, "detect_for_video", None)
    assert None not in detected(landmarker, some_faces[:1], detect_landmarks)


@pytest.mark.shared
def test_times_that_do_not_rise_are_refused_as_by_the_task(landmarker: ModelFile, some_faces: Pictures) -> None:
    with FaceLandmarker(landmarker) as marker:
        image = marker._image(image_format=marker._srgb, data=some_faces[0])
        detect_landmarks_natively(marker._task, image, 100)
        with pytest.raises((RuntimeError, ValueError), match="monotonically increasing"):
            detect_landmarks_natively(marker._task, image, 50)
