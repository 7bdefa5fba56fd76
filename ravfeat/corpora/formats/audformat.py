"""Read audformat databases: ``db.yaml`` with tables ``db.NAME.csv`` or ``.parquet``, whose index is file, start, end.

Who speaks often stands in a table of its own, by file or by speaker; it is looked up.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from ravfeat.corpora.tables import cell_text, column_of, read_table
from ravfeat.errors import CorpusError

__all__ = ["read_audformat"]


def read_audformat(folder: Path, columns: Mapping[str, str], chosen: Path | None = None) -> tuple[Path, pa.Table]:
    """Read the table of labels of a database, with actor and gender from its other tables.

    Parameters
    ----------
    folder : Path
        With ``db.yaml``.
    columns : mapping of str to str
        Name of this package → column, where somebody said so.
    chosen : Path, optional
        The table; by default the only one with labels.

    Raises
    ------
    CorpusError
        Where no table has labels, or several have.
    """
    plain = "actor" not in columns
    paths = sorted(path for ending in ("csv", "parquet") for path in folder.glob(f"db.*.{ending}"))
    tables = {path: read_table(path, speaker_as_actor=plain) for path in paths if path.stem.count(".")}
    labelled = [path for path, table in tables.items() if _column(path, table, "label", columns)]
    if chosen is None and len(labelled) != 1:
        problem = f"{len(labelled)} tables with labels: {', '.join(path.name for path in labelled)}" if labelled else (
            f"no table with labels among {', '.join(path.name for path in tables) or 'no tables'}"
        )  # fmt: skip
        raise CorpusError(
            f"{folder} has {problem}; give the table that is meant: --data {(labelled or paths or [folder])[0]}"
        )
    path = chosen or labelled[0]
    table = tables[path] if path in tables else read_table(path, speaker_as_actor=plain)
    others = [(other, tables[other]) for other in tables if other != path]
    for wanted, key in (("actor", "path"), ("gender", "path"), ("gender", "actor")):
        table = _looked_up(path, table, wanted, key, others, columns)
    return path, table


def _column(path: Path, table: pa.Table, name: str, columns: Mapping[str, str]) -> str:
    chosen = columns.get(name, "")
    return chosen if chosen in table.column_names else column_of(path, name, table.column_names)


def _looked_up(
    path: Path,
    table: pa.Table,
    wanted: str,
    key: str,
    others: Sequence[tuple[Path, pa.Table]],
    columns: Mapping[str, str],
) -> pa.Table:
    """Add a column from the first table that says it for every value of the key."""
    here = _column(path, table, key, columns)
    if not here or _column(path, table, wanted, columns):
        return table
    for other, values in others:
        there, column = _column(other, values, key, columns), _column(other, values, wanted, columns)
        if not there or not column:
            continue
        pairs = set(zip(*(map(cell_text, values[name].to_pylist()) for name in (there, column)), strict=True))
        said = dict(pairs)
        # A file with several speakers says nothing of its parts.
        if len(said) == len(pairs):
            cells = [said.get(cell_text(value), "") for value in table[here].to_pylist()]
            return table.append_column(wanted, pa.array(cells, pa.string()))
    return table
