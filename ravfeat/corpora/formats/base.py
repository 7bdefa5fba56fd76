"""Find out which program a folder or table was written for, and read it as one table of clips.

Known are audformat (``db.yaml`` with ``db.TABLE.csv``), Kaldi (``wav.scp``), lhotse (recordings and supervisions) and
Hugging Face's audiofolder (``metadata.csv`` or ``metadata.jsonl``, also in the folders of its splits).
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from ravfeat.corpora.formats.audformat import read_audformat
from ravfeat.corpora.formats.audiofolder import METADATA, read_audiofolder
from ravfeat.corpora.formats.kaldi import read_kaldi
from ravfeat.corpora.formats.lhotse import SUPERVISIONS, read_lhotse
from ravfeat.corpora.jsonl import is_jsonl
from ravfeat.corpora.tables import read_table
from ravfeat.errors import CorpusError

__all__ = ["read_clips"]

_TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq"})


def read_clips(data: Path, columns: Mapping[str, str]) -> tuple[Path, pa.Table]:
    """Read a table, or a folder that another program's tables lie in.

    Parameters
    ----------
    data : Path
    columns : mapping of str to str
        Name of this package → column that holds it, where somebody said so.

    Returns
    -------
    Path
        What messages name; paths in the table are relative to its folder.
    pyarrow.Table

    Raises
    ------
    CorpusError
        Where it cannot be read, or a folder is none of those known.
    """
    if data.is_dir():
        return _read_folder(data, columns)
    if data.name == "wav.scp":
        return data, read_kaldi(data.parent)
    if SUPERVISIONS.fullmatch(data.name):
        return data, read_lhotse(data.parent, data.name)
    if data.name.startswith("db.") and (data.parent / "db.yaml").is_file():
        return read_audformat(data.parent, columns, data)
    # Who says which column holds the actors need not hear that another column names others.
    return data, read_table(data, speaker_as_actor="actor" not in columns)


def _read_folder(folder: Path, columns: Mapping[str, str]) -> tuple[Path, pa.Table]:
    try:
        files = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read ({error.strerror})") from error
    if "wav.scp" in files:
        return folder / "wav.scp", read_kaldi(folder)
    if "db.yaml" in files:
        return read_audformat(folder, columns)
    if any(map(SUPERVISIONS.fullmatch, files)):
        return folder / "supervisions", read_lhotse(folder)
    if found := [path for name in METADATA for pattern in (name, f"*/{name}") for path in sorted(folder.glob(pattern))]:
        return folder / "metadata", read_audiofolder(folder, found)
    tables = [name for name in files if Path(name).suffix.lower() in _TABLES or is_jsonl(Path(name))]
    advice = f"give one of its tables: --data {folder / tables[0]}" if tables else "write a table of its clips"
    raise CorpusError(
        f"{folder} is a folder without wav.scp (Kaldi), db.yaml (audformat), supervisions.jsonl (lhotse) or"
        f" metadata.csv (audiofolder); {advice}: path, actor (or speaker), label"
    )
