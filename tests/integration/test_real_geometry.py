"""Distances in real faces: two trackers agree on how they change."""

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.faces.geometry import GEOMETRY_NAMES, face_geometry
from ravfeat.faces.source import FaceOptions

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CLIP = "02-01-08-02-02-02-01"  # surprised: brows, lids, lips and jaw move


def test_distances_of_the_mesh_change_as_those_of_68_points_of_another_tracker(shared, tmp_path) -> None:
    pytest.importorskip("mediapipe")
    root, options = shared / "data/ravdess_video", FaceOptions(models=(shared / "models/face",))
    videos = scan_ravdess(root, "face")
    one = videos.with_clips(clip for clip in videos if clip.clip_id == CLIP)
    encoder = load_encoder("face-geometry", faces=options)
    made = open_cache(
        run_extraction(Extraction(one, root, encoder, source=options.source(boxes=False, meshes=True)), tmp_path).path
    )
    mesh = np.asarray(made[CLIP], np.float32)[:, 0]
    given = np.load(shared / "data/ravdess_face/landmarks68/Actor_01.npz")
    place = given["names"].tolist().index(CLIP)
    rows = slice(given["offsets"][place], given["offsets"][place + 1])
    frames = given["frame"][rows]
    points = face_geometry(given["xy"][rows][frames < len(mesh)])
    mesh = mesh[frames[frames < len(mesh)]]
    alike = {name: np.corrcoef(mesh[:, i], points[:, i])[0, 1] for i, name in enumerate(GEOMETRY_NAMES)}
    # Both trackers err; over 11 videos the median is 0.85 within each, and in this one 0.81.
    assert np.median(list(alike.values())) > 0.75
    for name in ("mouth_width", "mouth_height", "nose_to_chin", "left_corner_height", "right_corner_height"):
        assert alike[name] > 0.75, name
