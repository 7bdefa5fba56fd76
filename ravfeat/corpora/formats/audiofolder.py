"""Read Hugging Face's audiofolder: ``metadata.csv`` or ``metadata.jsonl`` with ``file_name``, also one per split."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.errors import CorpusError

__all__ = ["METADATA", "read_audiofolder"]

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_SPLITS = frozenset({"train", "test", "validation", "val", "valid", "dev", "eval"})


def read_audiofolder(folder: Path, found: Sequence[Path]) -> pa.Table:
    """Put the tables of a folder under each other.

    Parameters
    ----------
    folder : Path
    found : sequence of Path
        Its tables, at the top or one folder below.

    Returns
    -------
    pyarrow.Table
        Of texts. Paths are relative to the folder; of a table in a folder that is called like a split there is a
        column ``split``.

    Raises
    ------
    CorpusError
        Where a table has no ``file_name``, or there are two of one folder.
    """
    folders = [path.parent for path in found]
    if twice := [path for path in found if folders.count(path.parent) > 1]:
        raise CorpusError(
            f"{folder} has {' and '.join(path.name for path in twice[:2])} side by side; keep one of them"
        )
    parts = [_part(folder, path) for path in found]
    names = list(dict.fromkeys(name for part in parts for name in part.column_names))
    columns = {
        name: pa.chunked_array([
            chunk
            for part in parts
            for chunk in (part[name] if name in part.column_names else pa.chunked_array([pa.nulls(len(part))])).cast(
                pa.string()
            ).chunks
        ], pa.string())
        for name in names
    }  # fmt: skip
    return pa.table(columns)


def _part(folder: Path, path: Path) -> pa.Table:
    table = read_table(path)
    if "file_name" not in table.column_names:
        raise CorpusError(f"{path} has no column 'file_name', as an audiofolder does; it has {table.column_names}")
    texts = {name: [cell_text(value) for value in table[name].to_pylist()] for name in table.column_names}
    inside = path.parent.relative_to(folder)
    texts["file_name"] = [(inside / name).as_posix() if name else "" for name in texts["file_name"]]
    if inside.name in _SPLITS:
        texts.setdefault("split", [inside.name] * len(table))
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in texts.items()})
