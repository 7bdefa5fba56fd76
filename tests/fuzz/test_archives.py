"""Damaged zip archives: refused by a message, or unpacked to the bytes that went in."""

import io
import shutil
import zipfile
from pathlib import Path
from random import Random

from ravfeat.download.zipfiles import unpack
from ravfeat.errors import RavfeatError
from tests.fuzz.mutations import mutate_bytes, outcome, rounds

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def test_a_damaged_archive_is_refused_or_gives_what_went_in(tmp_path) -> None:
    contents = [Random(kind).randbytes(300) + bytes(500) for kind in PACKED]
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for kind, content in zip(PACKED, contents, strict=True):
            file.writestr(f"a/{kind}.wav", content, compress_type=kind)
    refused = 0
    for seed in range(rounds(200)):
        (tmp_path / "a.zip").write_bytes(mutate_bytes(whole.getvalue(), Random(seed)))
        folder = tmp_path / "out"
        folder.mkdir()

        def read(folder: Path = folder) -> list[Path]:
            return unpack(tmp_path / "a.zip", folder, lambda name: Path(name.replace("/", "_")))

        places = outcome(read)
        if isinstance(places, RavfeatError):
            refused += 1
        else:
            assert {(folder / place).read_bytes() for place in places} <= set(contents)
        shutil.rmtree(folder)
    assert refused > rounds(200) / 4
