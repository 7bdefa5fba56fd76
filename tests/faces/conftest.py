"""The real models and clips, and a way to run a source to its end."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.faces.base import Faces
from ravfeat.faces.models import ModelFile
from ravfeat.faces.source import FaceSource
from ravfeat.manifest import Clip
from ravfeat.media.pictures import read_pictures
from ravfeat.media.source import Recording

Reading = Callable[[FaceSource, Path], tuple[list[Faces], Recording]]


@pytest.fixture
def detector(shared: Path) -> ModelFile:
    return ModelFile.of(shared / "models/face/blaze_face_short_range.tflite")


@pytest.fixture
def landmarker(shared: Path) -> ModelFile:
    return ModelFile.of(shared / "models/face/face_landmarker.task")


@pytest.fixture
def real_clip(shared: Path) -> Path:
    return shared / "data/ravdess_video/Actor_01/02-01-08-02-02-02-01.mp4"


@pytest.fixture
def some_faces(real_clip: Path) -> list[NDArray[np.uint8]]:
    """Ten pictures of one face, (360, 640, 3)."""
    return [picture.rgb for picture in itertools.islice(read_pictures(real_clip), 10)]


@pytest.fixture(scope="session")
def run() -> Reading:
    """Read a clip to its end."""

    def read(source: FaceSource, path: Path) -> tuple[list[Faces], Recording]:
        pieces, reading = [], source.read(Clip(path.stem, path.stem, "x:1", "", "a", path.name), path.parent)
        while True:
            try:
                pieces.append(next(reading))
            except StopIteration as end:
                return pieces, end.value

    return read
