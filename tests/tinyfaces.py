"""A small corpus of faces without people: videos of coloured noise under RAVDESS names, and a net that reads them."""

from pathlib import Path

import numpy as np

from tests import toynets
from tests.media.videos import write_video


def write_videos(folder: Path, stems: list[str], *, n_pictures: int = 9, rate: int = 15) -> None:
    """One video per stem, 48 x 40 pixels, whose colours drift; every one another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(stems):
        rng = np.random.default_rng(number)
        first, last = rng.integers(0, 256, (2, 5, 6, 3))
        pictures = [
            np.kron(first + (last - first) * t / n_pictures, np.ones((8, 8, 1))).astype(np.uint8)
            for t in range(n_pictures + number % 3)
        ]
        write_video(folder / f"{stem}.mp4", pictures, rate=rate)


def write_net(path: Path) -> Path:
    """A net of a few numbers with the settings beside it."""
    toynets.write_net(path)
    settings = 'name = "tiny"\ncolour = "rgb"\ndivide_by = 255\nmean = 0.5\nstd = 0.25\nembedding = "features"\n'
    path.with_suffix(".toml").write_text(settings, encoding="utf-8")
    return path
