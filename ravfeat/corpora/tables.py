"""Read tables that people bring: CSV or Parquet, every CSV cell as text, ``speaker`` as ``actor``."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from ravfeat.errors import CorpusError
from ravfeat.manifest import parquet_table

__all__ = ["cell_text", "read_table"]


def read_table(path: Path) -> pa.Table:
    """Read a CSV (every column as text) or Parquet file; a column ``speaker`` is called ``actor`` afterwards.

    Raises
    ------
    CorpusError
        Where the file is missing or is neither, has two columns of one name, or says of a row two different people as
        actor and speaker.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is not a file; expected a CSV or Parquet table")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return _with_actor(path, _distinct(path, parquet_table(path.read_bytes())))
        with pyarrow.csv.open_csv(path) as reader:
            names = reader.schema.names
        # As text: an actor '01' must not become the number 1.
        types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        table = pyarrow.csv.read_csv(path, convert_options=types)
        table = table.rename_columns([name.strip() for name in names])
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as a table ({error})") from error
    return _with_actor(path, _distinct(path, table))


def cell_text(value: object) -> str:
    """Give a cell as text without spaces around it; empty for what a table leaves out."""
    # An empty cell of a Parquet table is None, or NaN where a column of numbers was made by pandas.
    return "" if value is None or value != value else str(value).strip()


def _distinct(path: Path, table: pa.Table) -> pa.Table:
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise CorpusError(f"{path} has more than one column called {twice}; rename or drop one")
    return table


def _with_actor(path: Path, table: pa.Table) -> pa.Table:
    """Call a column ``speaker`` ``actor``, which is what the package calls whoever speaks; drop it where both agree."""
    names = {name.lower(): name for name in table.column_names}
    if "speaker" not in names:
        return table
    if "actor" not in names:
        return table.rename_columns(["actor" if name == names["speaker"] else name for name in table.column_names])
    # As text: in a Parquet file one of them may hold numbers.
    actors, speakers = (list(map(str, table[names[name]].to_pylist())) for name in ("actor", "speaker"))
    for row, (actor, speaker) in enumerate(zip(actors, speakers, strict=True), start=2):
        if actor != speaker:
            raise CorpusError(
                f"{path} has the columns actor and speaker, and row {row} says '{actor}' and '{speaker}'; both name who"
                " speaks: keep one of them"
            )
    return table.drop_columns([names["speaker"]])
