"""What FFmpeg may open, and how much of it is decoded."""

import math
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from ravfeat.errors import MediaError
from ravfeat.media.base import check_file, open_media
from ravfeat.media.pictures import read_pictures
from ravfeat.media.probe import probe_duration
from ravfeat.media.sound import read_waveform
from tests.media.videos import noise, write_video

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4.0,\n{secret}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {name}\n",
    # Behind what a quick look at the beginning finds.
    "indented": "\n#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4.0,\n{secret}\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["m3u8", "wav", "mp4", "ffconcat"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, name: str, suffix: str) -> None:
    secret = write_video(tmp_path / "secret.ts", noise(10), sound_s=0.5)
    playlist = tmp_path / f"list.{suffix}"
    playlist.write_text(PLAYLISTS[name].format(secret=secret, name=secret.name))
    with pytest.raises((av.FFmpegError, ValueError)), open_media(playlist) as container:
        list(container.decode(video=0))
    with pytest.raises(MediaError):
        read_waveform(playlist)
    with pytest.raises(MediaError):
        next(read_pictures(playlist))
    assert math.isnan(probe_duration(playlist, "video"))
    if name != "indented":
        with pytest.raises(MediaError, match="is a playlist, which names other files"):
            check_file(playlist)


def test_no_more_is_decoded_than_is_allowed(tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", noise(60), rate=10, sound_s=6.0)
    sound = tmp_path / "long.flac"
    soundfile.write(sound, np.random.default_rng(0).uniform(-0.5, 0.5, 96_000), 16_000)
    for read in (
        lambda: read_waveform(video, limit_s=3),
        lambda: read_waveform(sound, limit_s=3),
        lambda: list(read_pictures(video, limit_s=3)),
    ):
        with pytest.raises(MediaError, match="is longer than the 3 s that are read here"):
            read()
    assert read_waveform(video, limit_s=7).duration_s > 5.9
    assert len(list(read_pictures(video, limit_s=7))) == 60
    # However fast the header says that they follow each other.
    fast = write_video(tmp_path / "fast.mp4", noise(60), rate=1000)
    with pytest.raises(MediaError, match=r"longer than the 0\.2 s"):
        list(read_pictures(fast, limit_s=0.2))
