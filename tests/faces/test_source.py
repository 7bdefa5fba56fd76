"""Clips read as faces: pieces, columns, what decides the identity."""

import itertools
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ravfeat.faces.source
from ravfeat.errors import MediaError, UsageError
from ravfeat.faces.base import Faces
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, PublishedModel, find_model
from ravfeat.faces.source import FaceOptions, FaceSource
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording, Source
from ravfeat.resources import processors
from tests.faces.conftest import Reading
from tests.media.videos import quarters, write_video

CROPPED = FaceSource(cropped=True)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Forty pictures without a face."""
    return write_video(tmp_path / "a.mp4", [quarters()] * 40)


def joined(pieces: list[Faces], name: str) -> NDArray[np.generic]:
    return np.concatenate([getattr(piece, name) for piece in pieces])


def test_pictures_come_sixteen_at_a_time(run: Reading, video: Path) -> None:
    pieces, recording = run(CROPPED, video)
    assert [len(piece) for piece in pieces] == [len(piece.pictures) for piece in pieces] == [16, 16, 8]
    assert isinstance(recording, Recording)
    assert recording.n_samples == 40
    np.testing.assert_allclose(joined(pieces, "times_s"), np.arange(40) / 25)


def test_a_piece_of_large_pictures_ends_early(run: Reading, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ravfeat.faces.source, "PIECE_BYTES", 4 * quarters().nbytes)
    assert {len(piece) for piece in run(CROPPED, video)[0]} == {5}


def test_of_cropped_pictures_the_whole_is_the_face(run: Reading, video: Path) -> None:
    piece = run(CROPPED, video)[0][0]
    np.testing.assert_array_equal(piece.boxes, np.tile([0, 0, 64, 48], (16, 1)))
    assert (piece.boxes.dtype, piece.confidence.dtype, piece.found.dtype) == (np.float32, np.float32, np.bool_)
    assert piece.found.all()
    assert (piece.confidence == 1).all()
    assert (piece.meshes, piece.mesh_found.shape) == ((), (0,))


def test_without_a_detector_there_are_no_boxes(run: Reading, video: Path) -> None:
    piece = run(FaceSource(), video)[0][0]
    assert (piece.boxes.shape, piece.confidence.shape, piece.found.shape) == ((0, 4), (0,), (0,))
    assert len(piece) == 16


def test_fewer_pictures_a_second_leave_the_recording_as_it_is(run: Reading, video: Path) -> None:
    pieces, recording = run(FaceSource(fps=5, cropped=True), video)
    np.testing.assert_allclose(joined(pieces, "times_s"), np.arange(8) / 5)
    assert recording == run(CROPPED, video)[1]


def test_a_piece_that_nobody_holds_is_gone(video: Path) -> None:
    clip = Clip(video.stem, video.stem, "x:1", "", "a", video.name)
    reading = CROPPED.read(clip, video.parent)
    first = weakref.ref(next(reading).pictures[0])
    assert first() is None
    reading.close()


def test_a_file_that_cannot_be_read_is_the_clips_fault(run: Reading, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"hello " * 100)
    with pytest.raises(MediaError, match=r"a\.mp4 cannot be decoded as video"):
        run(CROPPED, tmp_path / "a.mp4")


def test_it_is_a_source() -> None:
    source: Source[Faces] = CROPPED
    assert source.readers == max(2, processors())
    assert set(source.provenance()) == {"av", "pillow"}


# --- what decides the features


def model(name: str, digit: str) -> ModelFile:
    return ModelFile(Path(name), digit * 64, name)


DETECTOR, LANDMARKER = model("a.tflite", "a"), model("b.task", "b")


def test_the_steps_name_pictures_models_and_tracking() -> None:
    source = FaceSource(fps=12.5, detector=DETECTOR, landmarker=LANDMARKER)
    assert source.crop_steps == (
        "pictures at most 12.5 a second, upright rgb, square pixels/2",
        "mediapipe face detector aaaaaaaaaaaa, video, confidence 0.5/1",
        "largest face then most overlap, smoothed 0.1 s/1",
    )
    assert source.mesh_steps == (
        "pictures at most 12.5 a second, upright rgb, square pixels/2",
        "mediapipe face landmarker bbbbbbbbbbbb, video, 1 face, last one where none is found/1",
    )


def test_the_steps_of_crops_do_not_depend_on_the_landmarker_nor_the_other_way_round() -> None:
    both = FaceSource(detector=DETECTOR, landmarker=LANDMARKER)
    assert both.crop_steps == FaceSource(detector=DETECTOR).crop_steps
    assert both.mesh_steps == FaceSource(landmarker=LANDMARKER).mesh_steps


def test_what_changes_the_boxes_changes_the_steps() -> None:
    sources = [
        FaceSource(detector=DETECTOR),
        FaceSource(detector=model("a.tflite", "c")),
        FaceSource(detector=DETECTOR, fps=10),
        FaceSource(cropped=True),
    ]
    for one, other in itertools.combinations(sources, 2):
        assert one.crop_steps != other.crop_steps


# --- options


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("a.tflite", "b.task"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize("cropped", [False, True])
@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize("meshes", [False, True])
def test_only_models_that_are_needed_are_looked_for(
    models: Path, monkeypatch: pytest.MonkeyPatch, *, cropped: bool, boxes: bool, meshes: bool
) -> None:
    asked = []

    def find(model: PublishedModel, given: tuple[Path, ...], *, offline: bool) -> ModelFile:
        assert not offline
        asked.append(model)
        return find_model(model, given)

    monkeypatch.setattr(ravfeat.faces.source, "find_model", find)
    source = FaceOptions(fps=10, models=(models,), cropped=cropped).source(boxes=boxes, meshes=meshes)
    detects = boxes and not cropped
    assert asked == [BLAZE_FACE] * detects + [FACE_LANDMARKER] * meshes
    assert (source.detector and source.detector.name) == ("a.tflite" if detects else None)
    assert (source.landmarker and source.landmarker.name) == ("b.task" if meshes else None)
    assert (source.fps, source.cropped) == (10, cropped)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fps": 0}, "expected pictures a second above 0, at most 1000; got 0"),
        ({"fps": float("nan")}, "got nan"),
        ({"margin": -1.0}, r"expected a margin above 0, at most 10 \(1 is the face's box\); got -1"),
        ({"margin": 50.0}, "got 50"),
    ],
)
def test_numbers_out_of_range_are_usage_errors(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FaceOptions(**wrong)  # type: ignore[arg-type]


def test_a_margin_of_ten_is_the_widest() -> None:
    assert FaceOptions(margin=10.0).margin == 10.0


# --- real faces


@pytest.mark.shared
def test_every_picture_of_a_real_clip_has_a_face(
    run: Reading, detector: ModelFile, landmarker: ModelFile, real_clip: Path
) -> None:
    pieces, recording = run(FaceSource(detector=detector, landmarker=landmarker), real_clip)
    assert recording.n_samples == 97 == sum(map(len, pieces))
    assert joined(pieces, "found").all()
    assert joined(pieces, "mesh_found").all()
    assert joined(pieces, "confidence").min() > 0.8
    for piece in pieces:
        for (left, top, right, bottom), mesh in zip(piece.boxes, piece.meshes, strict=True):
            assert mesh is not None
            assert left < mesh.points[1, 0] < right  # the nose is in the box
            assert top < mesh.points[1, 1] < bottom


@pytest.mark.shared
def test_clips_read_side_by_side_come_out_the_same(
    run: Reading, detector: ModelFile, landmarker: ModelFile, real_clip: Path
) -> None:
    source = FaceSource(fps=10, detector=detector, landmarker=landmarker)
    with ThreadPoolExecutor(2) as pool:
        one, other = (pieces for pieces, _ in pool.map(lambda _: run(source, real_clip), range(2)))
    np.testing.assert_array_equal(joined(one, "boxes"), joined(other, "boxes"))
    meshes = [[mesh.points for piece in pieces for mesh in piece.meshes if mesh] for pieces in (one, other)]
    np.testing.assert_array_equal(meshes[0], meshes[1])


@pytest.mark.shared
def test_a_face_in_some_pictures_only_is_counted(
    run: Reading, detector: ModelFile, landmarker: ModelFile, some_faces: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    nothing = [np.full((360, 640, 3), 128, np.uint8)] * 5
    path = write_video(tmp_path / "a.mp4", [*nothing, *some_faces[:5], *nothing])
    ((piece,), _) = run(FaceSource(detector=detector, landmarker=landmarker), path)
    assert piece.found.tolist() == [False] * 5 + [True] * 5 + [False] * 5
    assert (piece.confidence > 0).tolist() == piece.found.tolist() == piece.mesh_found.tolist()
    np.testing.assert_array_equal(piece.boxes[:5], np.tile([140, 0, 500, 360], (5, 1)))
    np.testing.assert_array_equal(piece.boxes[10:], np.tile(piece.boxes[9], (5, 1)))
    assert piece.meshes[:5] == (None,) * 5
    assert all(mesh is piece.meshes[9] for mesh in piece.meshes[10:])


@pytest.mark.shared
def test_a_video_without_a_face_says_so_in_every_picture(run: Reading, detector: ModelFile, video: Path) -> None:
    pieces, _ = run(FaceSource(detector=detector), video)
    assert not joined(pieces, "found").any()
    assert not joined(pieces, "confidence").any()


@pytest.mark.shared
def test_a_portrait_flag_turns_the_face_upright(
    run: Reading, detector: ModelFile, some_faces: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    lying = [np.ascontiguousarray(np.rot90(picture, -1)) for picture in some_faces]
    flagged = write_video(tmp_path / "flagged.mp4", lying, rotation=90)
    upright = write_video(tmp_path / "upright.mp4", some_faces)
    boxes = [joined(run(FaceSource(detector=detector), path)[0], "boxes") for path in (flagged, upright)]
    np.testing.assert_allclose(boxes[0], boxes[1], atol=8)
