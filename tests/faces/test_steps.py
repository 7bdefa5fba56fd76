"""How faces were found, read back from the steps of an identity."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.faces.crop import crop_recipe
from ravfeat.faces.models import ModelFile
from ravfeat.faces.source import FaceSource
from ravfeat.faces.steps import parse_steps

DETECTOR = ModelFile(Path("mine.tflite"), "a1" * 32, "mine.tflite")
LANDMARKER = ModelFile(Path("mine.task"), "b2" * 32, "mine.task")


@pytest.mark.parametrize("fps", [None, 15, 29.97, 1 / 3, 1e-7, 1000])
def test_what_a_source_writes_is_read_back(fps) -> None:
    source = FaceSource(fps=fps, detector=DETECTOR, landmarker=LANDMARKER)
    steps = parse_steps([*source.crop_steps, crop_recipe(1.25, 64)])
    assert steps is not None
    assert (steps.cropped, steps.margin, steps.detector, steps.landmarker) == (False, 1.25, "a1" * 6, "")
    assert FaceSource(fps=steps.fps, detector=DETECTOR).crop_steps == source.crop_steps
    meshes = parse_steps(source.mesh_steps)
    assert meshes is not None
    assert (meshes.margin, meshes.detector, meshes.landmarker) == (None, "", "b2" * 6)
    cropped = parse_steps(replace(source, cropped=True).crop_steps)
    assert cropped is not None
    assert (cropped.cropped, cropped.detector) == (True, "")


@pytest.mark.parametrize(
    "steps",
    [
        [],
        ["mono-mean, soxr-HQ/1"],
        ["pictures all, upright rgb, square pixels/3"],
        ["pictures at most 1.2.3 a second, upright rgb, square pixels/2"],
    ],
)
def test_of_other_steps_nothing_is_known(steps) -> None:
    assert parse_steps(steps) is None
