"""``ravfeat extract`` on faces, and what ``ravfeat cache`` says of them."""

import itertools
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import ravfeat as package
from ravfeat.faces.geometry import face_geometry
from ravfeat.media.pictures import read_pictures
from tests.media.videos import cut, quarters, write_video
from tests.tinyfaces import write_net, write_videos

STEMS = [f"02-01-0{emotion}-01-01-01-0{actor}" for emotion in (1, 3, 5) for actor in (1, 2)]


@pytest.fixture
def videos(tmp_path) -> Path:
    folder = tmp_path / "videos"
    write_videos(folder, STEMS)
    return folder


@pytest.fixture
def net(tmp_path) -> Path:
    return write_net(tmp_path / "tiny.onnx")


def test_voices_and_faces_go_in_one_run_each_into_its_stream(here, videos, net, generated, tmp_path) -> None:
    for path in sorted(generated.rglob("03-*.wav"))[:5]:
        shutil.copy(path, videos)
    done = here("extract", "--data", videos, "--encoder", "logmel", "--encoder", net, "--cropped", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, _, second, _, audio, _, face, _ = done.stdout.splitlines()
    assert first.startswith("ravdess: 5 clips of ")
    assert second.startswith("ravdess: 6 clips of 2 actors")
    assert audio.startswith("cache/ravdess/audio-logmel-")
    assert face.startswith("cache/ravdess/face-tiny-")
    cache = package.open_cache(next((tmp_path / "cache/ravdess").glob("face-tiny-*")))
    assert cache.clip_ids == tuple(sorted(STEMS))
    assert cache.about["stream"] == "face"
    np.testing.assert_allclose(cache.times(STEMS[0]), np.arange(9) / 15, atol=1e-6)
    columns = cache.columns(STEMS[0])
    assert columns["box"].tolist() == [[0, 0, 48, 40]] * 9
    assert columns["found"].tolist() == columns["confidence"].tolist() == [1] * 9


def test_fewer_pictures_a_second_are_another_cache(here, videos, net, tmp_path) -> None:
    options = ["extract", "--data", videos, "--encoder", net, "--cropped"]
    assert here(*options, cwd=tmp_path).returncode == 0
    assert here(*options, "--fps", 5, cwd=tmp_path).returncode == 0
    lengths = sorted(len(package.open_cache(path)[STEMS[0]]) for path in (tmp_path / "cache/ravdess").iterdir())
    assert lengths == [3, 9]


def test_the_silent_copy_is_taken_before_the_one_with_sound(here, videos, net, tmp_path) -> None:
    for stem in (STEMS[0], "02-01-07-01-01-01-02"):
        write_video(videos / f"01{stem[2:]}.mp4", [quarters()] * 5, sound_s=0.2)
    done = here("extract", "--data", videos, "--encoder", net, "--cropped", cwd=tmp_path)
    assert "7 clips of 2 actors; not taken: 1 unused copies" in done.stdout
    taken = package.open_cache(tmp_path / "cache").clip_ids
    assert set(taken) == {*STEMS, "01-01-07-01-01-01-02"}


def test_bad_videos_cost_only_themselves(here, videos, net, tmp_path) -> None:
    write_video(videos / "02-01-07-01-01-01-01.mp4", [quarters(400, 300)] * 60)
    cut(videos / "02-01-07-01-01-01-01.mp4", 0.5)
    (videos / "02-01-07-01-01-01-02.mp4").write_text("no video at all", encoding="utf-8")
    (videos / "02-01-08-01-01-01-01.mp4").write_bytes(b"")
    with av.open(str(videos / "02-01-08-01-01-01-02.mp4"), "w") as container:  # sound only
        voice = container.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        block.sample_rate = 16_000
        for packet in [*voice.encode(block), *voice.encode(None)]:
            container.mux(packet)
    done = here("extract", "--data", videos, "--encoder", net, "--cropped", cwd=tmp_path)
    assert done.returncode == 3
    assert ": 1 shards written (6 clips)" in done.stdout
    assert "4 clips could not be stored" in done.stderr
    assert "02-01-07-01-01-01-02.mp4 cannot be decoded as video" in done.stderr
    assert "02-01-08-01-01-01-01.mp4 is empty" in done.stderr
    assert "02-01-08-01-01-01-02.mp4 has no video track" in done.stderr
    assert "02-01-07-01-01-01-01: 02-01-07-01-01-01-01.mp4 " in done.stderr
    write_videos(videos, ["02-01-08-01-01-01-01"])
    again = here("extract", "--data", videos, "--encoder", net, "--cropped", cwd=tmp_path)
    assert again.returncode == 3
    assert "3 clips could not be stored" in again.stderr
    assert len(package.open_cache(tmp_path / "cache")) == 7


@pytest.mark.parametrize("option", [["--fps", 5], ["--cropped"], ["--crop-margin", 1.3], ["--detector-model", "x"]])
def test_options_of_faces_need_an_encoder_of_faces(here, generated, tmp_path, option) -> None:
    done = here("extract", "--data", generated, "--encoder", "logmel", *option, cwd=tmp_path)
    assert done.returncode == 2
    assert "go with an encoder of faces" in done.stderr


def test_options_of_crops_need_something_to_crop(here, videos, shared, tmp_path) -> None:
    given = ["--encoder", "landmarks", "--detector-model", shared / "models/face"]
    done = here("extract", "--data", videos, *given, "--cropped", cwd=tmp_path)
    assert done.returncode == 2
    assert "landmarks looks at whole pictures" in done.stderr


def test_a_known_identity_under_another_name_says_so(here, videos, net, tmp_path) -> None:
    options = ["extract", "--data", videos, "--encoder", net, "--cropped"]
    assert "another name" not in here(*options, cwd=tmp_path).stdout
    settings = net.with_suffix(".toml")
    settings.write_text(settings.read_text().replace('"tiny"', '"other"'), encoding="utf-8")
    assert "were there under another name; 'other' was not used" in here(*options, cwd=tmp_path).stdout


def test_faces_need_videos_and_are_told_where_from(here, generated, net, tmp_path) -> None:
    done = here("extract", "--data", generated, "--corpus", "folder", "--encoder", net, cwd=tmp_path)
    assert done.returncode == 1
    (tmp_path / "voices").mkdir()
    shutil.copy(next(generated.rglob("03-*.wav")), tmp_path / "voices")
    done = here("extract", "--data", tmp_path / "voices", "--encoder", net, "--cropped", cwd=tmp_path)
    assert done.returncode == 1
    assert "02-01-06-01-02-01-12.mp4 that begin with 02- or 01-" in done.stderr
    assert "ravfeat download ravdess --video" in done.stderr


def test_a_net_whose_output_does_not_exist_lists_those_that_do(here, videos, net, tmp_path) -> None:
    settings = net.with_suffix(".toml")
    settings.write_text(settings.read_text().replace('"features"', '"embeddings"'), encoding="utf-8")
    done = here("extract", "--data", videos, "--encoder", net, "--cropped", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "embeddings" in line
    assert "features" in line


def test_info_counts_the_faces_and_a_preview_shows_them(here, videos, net, tmp_path) -> None:
    assert here("extract", "--data", videos, "--encoder", net, "--cropped", cwd=tmp_path).returncode == 0
    assert "faces        found in 100.00% of 60 frames" in here("cache", "info", cwd=tmp_path).stdout
    done = here("cache", "preview", "--data", videos, "--clips", 4, "--pictures", 3, cwd=tmp_path)
    assert done.stdout == "preview-tiny.png: 4 clips, 12 pictures\n", done.stderr
    with Image.open(tmp_path / "preview-tiny.png") as sheet:
        assert sheet.width > 3 * 112
        assert sheet.height > 4 * 112


def test_a_preview_needs_the_videos_and_a_cache_of_faces(here, videos, net, cache_copy, tmp_path) -> None:
    done = here("cache", "preview", cache_copy)
    assert done.returncode == 1
    assert "holds no boxes of faces" in done.stderr
    assert (
        here("extract", "--data", videos, "--encoder", net, "--cropped", "--out", "out", cwd=tmp_path).returncode == 0
    )
    videos.rename(tmp_path / "moved")
    done = here("cache", "preview", "out", "--data", videos, cwd=tmp_path)
    assert done.returncode == 1
    assert "is not there; --data must name the folder that the cache was made from" in done.stderr
    write_videos(tmp_path / "other", STEMS, n_pictures=3)
    done = here("cache", "preview", "out", "--data", tmp_path / "other", cwd=tmp_path)
    assert done.returncode == 1
    assert "is it another file?" in done.stderr
    done = here("cache", "preview", "out", "--data", videos, "--out", "faces.jpg", cwd=tmp_path)
    assert (done.returncode, "the sheet is a PNG; call it so" in done.stderr) == (2, True)
    done = here("cache", "preview", "out", "--clip", "02-01", "--data", videos, cwd=tmp_path)
    assert "clip '02-01' is not stored" in done.stderr


def real_pictures(shared: Path) -> list[np.ndarray]:
    path = shared / "data/ravdess_video/Actor_01/02-01-08-02-02-02-01.mp4"
    return [picture.rgb for picture in itertools.islice(read_pictures(path), 12)]


def test_faces_are_found_counted_and_never_made_up(here, shared, tmp_path) -> None:
    faces, folder = real_pictures(shared), tmp_path / "videos"
    folder.mkdir()
    nothing = [np.full_like(faces[0], 90)] * 6
    write_video(folder / "02-01-01-01-01-01-01.mp4", faces)
    write_video(folder / "02-01-01-01-01-01-02.mp4", nothing)
    write_video(folder / "02-01-02-01-01-01-01.mp4", [*nothing, *faces])
    write_video(folder / "02-01-02-01-01-01-02.mp4", [*faces, *nothing])
    write_video(folder / "02-01-03-01-01-01-01.mp4", [np.hstack([face, face]) for face in faces])  # two of them
    write_video(folder / "02-01-03-01-01-01-02.mp4", [np.rot90(face, 1) for face in faces], rotation=270)  # on its side
    models = shared / "models/face"
    encoders = ["--encoder", models / "fer_mini_xception.onnx", "--encoder", "landmarks", "--encoder", "face-geometry"]
    done = here("extract", "--data", folder, *encoders, "--detector-model", models, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("02-01-01-01-01-01-02.mp4: no face was found in any of its") == 3
    assert "no face in 12 of 72 pictures: the last box" in done.stdout
    assert "several faces in 12 of 72 pictures: the largest at first" in done.stdout
    crops, points, geometry = (
        package.open_cache(next((tmp_path / "cache/ravdess").glob(f"face-{name}-*")))
        for name in ("fer", "landmarks", "face-geometry")
    )
    found = {clip_id[6:]: crops.columns(clip_id)["found"].tolist() for clip_id in crops.clip_ids}
    assert found["02-01-01-01-01"] == [0] * 6 + [1] * 12
    assert found["02-01-01-01-02"] == [1] * 12 + [0] * 6
    assert found["03-01-01-01-01"] == found["03-01-01-01-02"] == found["01-01-01-01-01"] == [1] * 12
    assert crops.columns("02-01-03-01-01-01-01")["faces"].tolist() == [2] * 12
    assert "several faces in 12 frames" in here("cache", "info", crops.path).stdout
    boxes = crops.columns("02-01-02-01-01-01-02")["box"]
    np.testing.assert_array_equal(boxes[12:], np.repeat(boxes[11:12], 6, axis=0))
    # Landmarks cannot be guessed before they were first found: those pictures give no frame.
    assert points["02-01-02-01-01-01-01"].shape[0] == 12
    assert points.times("02-01-02-01-01-01-01")[0] == pytest.approx(6 / 25, abs=1e-3)
    assert points["02-01-02-01-01-01-02"].shape[0] == 18
    mesh = np.asarray(points["02-01-02-01-01-01-02"], np.float32)[:, 0, :1434].reshape(-1, 478, 3)
    measured = np.asarray(geometry["02-01-02-01-01-01-02"], np.float32)[:, 0]
    np.testing.assert_allclose(measured, face_geometry(mesh), atol=5e-3)  # both are stored in float16


def test_videos_whose_header_and_pictures_disagree_can_be_gone_on_with(here, net, tmp_path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "02-01-01-01-01-01-01.mkv", [quarters()] * 20, sound_s=1.6)  # the sound is longer
    write_video(folder / "02-01-01-01-01-01-02.mp4", [quarters()] * 3, stamps_ms=[0, 40, 2000])
    write_video(folder / "02-01-02-01-01-01-02.mkv", [quarters()] * 20, stamps_ms=range(500, 1300, 40))
    options = ["extract", "--data", folder, "--encoder", net, "--cropped"]
    assert here(*options, cwd=tmp_path).returncode == 0
    again = here(*options, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert ": 0 shards written (0 clips), 1 were there" in again.stdout
