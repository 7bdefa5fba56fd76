"""Take the picture of a report that README.md shows: ``python -m docs.picture report.html`` (needs chromium)."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

__all__ = ["PICTURE", "take_picture"]

PICTURE = Path(__file__).parent / "images" / "report.png"
SIZE = (1280, 1000)
COLOURS = 64  # enough for a page of text and bars, and a third of the bytes


def take_picture(page: Path, picture: Path = PICTURE) -> None:
    """Write the first screen of a page as PNG."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("docs.picture needs chromium: apt install chromium")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={shot}"]
        command += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={folder}/profile", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        picture.parent.mkdir(exist_ok=True)
        Image.open(shot).convert("RGB").quantize(COLOURS).save(picture, optimize=True)


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]))
