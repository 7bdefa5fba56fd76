"""MediaPipe's detector and landmarker on real pictures, and what a wrong model file gets."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.errors import EncoderError, MissingExtraError
from ravfeat.faces.detect import FaceDetector, FaceLandmarker, require_mediapipe
from ravfeat.faces.models import ModelFile

Pictures = list[NDArray[np.uint8]]


def test_without_mediapipe_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"'mediapipe': pip install 'ravfeat\[face\]'"):
        require_mediapipe()
    (tmp_path / "a.tflite").write_bytes(b"model")
    with pytest.raises(MissingExtraError, match=r"'mediapipe': pip install 'ravfeat\[face\]'"):
        FaceDetector(ModelFile.of(tmp_path / "a.tflite"))


def test_importing_the_room_does_not_load_mediapipe() -> None:
    code = "import ravfeat.faces.source, ravfeat.faces.sheet, sys; assert 'mediapipe' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("kind", "name"), [(FaceDetector, "a.tflite"), (FaceLandmarker, "a.task")])
def test_a_file_that_is_no_model_is_refused_by_name(
    tmp_path: Path, kind: type[FaceDetector] | type[FaceLandmarker], name: str
) -> None:
    (tmp_path / name).write_bytes(b"hello " * 1000)
    with pytest.raises(EncoderError, match=rf"{name} cannot be loaded as a face .*; give another file"):
        kind(ModelFile.of(tmp_path / name))


@pytest.mark.shared
def test_a_landmarkers_model_is_no_detector(landmarker: ModelFile, detector: ModelFile) -> None:
    with pytest.raises(EncoderError, match=r"face_landmarker\.task cannot be loaded as a face detector"):
        FaceDetector(landmarker)
    with pytest.raises(EncoderError, match=r"short_range\.tflite cannot be loaded as a face landmarker"):
        FaceLandmarker(detector)


@pytest.mark.shared
def test_the_face_is_found_where_it_is(detector: ModelFile, some_faces: Pictures) -> None:
    with FaceDetector(detector) as finder:
        (found,) = finder.detect(some_faces[0], 0.0)
    left, top, right, bottom = found.box
    assert found.confidence > 0.8
    assert 200 < left < 260
    assert 80 < top < 140
    assert 360 < right < 420
    assert 240 < bottom < 310


@pytest.mark.shared
def test_both_of_two_faces_are_found(detector: ModelFile, some_faces: Pictures) -> None:
    two = np.concatenate([some_faces[0][:, 120:520], some_faces[5][:, 120:520]], axis=1)
    with FaceDetector(detector) as finder:
        found = finder.detect(two, 0.0)
    assert sorted(int(one.box[0] // 400) for one in found) == [0, 1]


@pytest.mark.shared
def test_an_empty_picture_has_no_face(detector: ModelFile, landmarker: ModelFile) -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    with FaceDetector(detector) as finder, FaceLandmarker(landmarker) as marker:
        assert finder.detect(grey, 0.0) == []
        assert marker.detect(grey, 0.0) is None


@pytest.mark.shared
def test_landmarks_are_in_pixels_and_complete(landmarker: ModelFile, some_faces: Pictures) -> None:
    with FaceLandmarker(landmarker) as marker:
        mesh = marker.detect(some_faces[0], 0.0)
    assert mesh is not None
    assert (mesh.points.shape, mesh.blendshapes.shape, mesh.pose.shape) == ((478, 3), (52,), (4, 4))
    assert {part.dtype for part in (mesh.points, mesh.blendshapes, mesh.pose)} == {np.dtype(np.float32)}
    nose, chin, left_eye, right_eye = mesh.points[[1, 152, 468, 473]]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < chin[1]
    assert 100 < chin[1] - left_eye[1] < 140
    assert 10 < left_eye[2] - nose[2] < 100  # nearer to the camera, in the scale of x
    assert 0 <= mesh.blendshapes.min() <= mesh.blendshapes.max() <= 1
    np.testing.assert_allclose(mesh.pose[3], [0, 0, 0, 1])


@pytest.mark.shared
def test_pictures_may_follow_each_other_within_a_millisecond(detector: ModelFile, some_faces: Pictures) -> None:
    with FaceDetector(detector) as finder:
        assert all(finder.detect(picture, n * 1e-5) for n, picture in enumerate(some_faces))


@pytest.mark.shared
def test_a_task_knows_nothing_of_the_clip_before_it(landmarker: ModelFile, some_faces: Pictures) -> None:
    def last_points(pictures: Pictures) -> NDArray[np.float32]:
        with FaceLandmarker(landmarker) as marker:
            found = [marker.detect(picture, n / 30) for n, picture in enumerate(pictures)]
        assert found[-1] is not None
        return found[-1].points

    once = last_points(some_faces)
    last_points(some_faces[::-1])
    np.testing.assert_array_equal(last_points(some_faces), once)


@pytest.mark.shared
def test_a_task_starts_without_chatter(shared: Path) -> None:
    code = f"""
import numpy as np
from pathlib import Path
from ravfeat.faces.detect import FaceDetector, FaceLandmarker
from ravfeat.faces.models import ModelFile
folder = Path({str(shared)!r}) / "models/face"
for _ in range(2):
    with (FaceDetector(ModelFile.of(folder / "blaze_face_short_range.tflite")) as finder,
          FaceLandmarker(ModelFile.of(folder / "face_landmarker.task")) as marker):
        for n in range(3):
            finder.detect(np.zeros((90, 160, 3), np.uint8), n / 30)
            marker.detect(np.zeros((90, 160, 3), np.uint8), n / 30)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == ""
