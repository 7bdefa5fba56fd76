"""Tables that people bring: CSV or Parquet, every CSV cell as text."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from ravfeat.errors import CorpusError
from ravfeat.manifest import parquet_table

__all__ = ["read_table"]


def read_table(path: Path) -> pa.Table:
    """Read a CSV (every column as text) or Parquet file.

    Raises
    ------
    CorpusError
        Where the file is missing or is neither.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is not a file; expected a CSV or Parquet table")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return _distinct(path, parquet_table(path.read_bytes()))
        with pyarrow.csv.open_csv(path) as reader:
            names = reader.schema.names
        # As text: an actor '01' must not become the number 1.
        types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        table = pyarrow.csv.read_csv(path, convert_options=types)
        table = table.rename_columns([name.strip() for name in names])
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as a table ({error})") from error
    return _distinct(path, table)


def _distinct(path: Path, table: pa.Table) -> pa.Table:
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise CorpusError(f"{path} has more than one column called {twice}; rename or drop one")
    return table
