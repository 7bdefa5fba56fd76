"""Read tables that people bring: CSV (any separator, UTF-8, UTF-16 or Latin-1), JSON lines or Parquet."""

import codecs
import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from ravfeat.corpora.jsonl import is_jsonl, read_jsonl
from ravfeat.errors import CorpusError, UsageError
from ravfeat.manifest import read_parquet

__all__ = ["CsvFormat", "cell_text", "column_of", "csv_format", "name_columns", "plain_name", "read_table"]

_SEPARATORS = ",;\t|"
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "path": ("file", "filename", "filepath", "audiopath", "audiofilepath", "audiofile", "wav"),
    "actor": ("speaker", "speakerid", "actorid", "subject", "subjectid", "participant"),
    "label": ("emotion",),
    "performance": ("performanceid",),
}
"""Other names of a column, as `plain_name` writes them."""


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written.

    Attributes
    ----------
    encoding : str
        For ``open``.
    separator : str
    """

    encoding: str
    separator: str


def csv_format(path: Path) -> CsvFormat:
    """Find out encoding and separator of a CSV file.

    A byte order mark decides; without one the file is UTF-8, or Latin-1 where it cannot be. The separator is
    the one of comma, semicolon, tab and bar that is most frequent in the header.

    Raises
    ------
    OSError, UnicodeDecodeError
        Where the file cannot be read.
    CorpusError
        Where it holds control characters, as text does not.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        header = re.sub(r'"[^"]*"', "", file.readline(10_000_000))
    return CsvFormat(encoding, max(_SEPARATORS, key=header.count))


def _encoding(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-8"
    with path.open("rb") as file:
        block = file.read(1 << 20)
        for mark, name in _BYTE_ORDER_MARKS:
            if block.startswith(mark):
                return name
        while block:
            if _CONTROL.search(block):
                raise CorpusError(f"{path} cannot be read as a table (it holds control characters); expected CSV text")
            if encoding == "utf-8":
                following = file.read(1 << 20)
                try:
                    decoder.decode(block, final=not following)
                except UnicodeDecodeError:
                    encoding = "latin-1"
                block = following
            else:
                block = file.read(1 << 20)
    return encoding


def read_table(path: Path, *, speaker_as_actor: bool = True) -> pa.Table:
    """Read a CSV or JSON lines (every column as text) or Parquet file.

    Parameters
    ----------
    path : Path
    speaker_as_actor : bool
        Whether a column ``speaker`` is called ``actor`` afterwards, and dropped where both are there and agree.

    Raises
    ------
    CorpusError
        Where the file is missing or is neither, has two columns of one name, or says of a row two different people as
        actor and speaker.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is not a file; expected a CSV, JSON lines or Parquet table")
    try:
        is_parquet = path.suffix.lower() in {".parquet", ".pq"}
        read = read_jsonl if is_jsonl(path) else _read_csv
        table = read_parquet(path, CorpusError, "write it again") if is_parquet else read(path)
    except (OSError, pa.ArrowException, UnicodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read as a table ({error})") from error
    table = _in_seconds(_distinct(path, table))
    return _with_actor(path, table) if speaker_as_actor else table


def _read_csv(path: Path) -> pa.Table:
    form = csv_format(path)
    data = path.read_bytes().decode(form.encoding).encode()
    layout = pyarrow.csv.ParseOptions(delimiter=form.separator)
    # Not with Arrow's streaming reader, whose thread aborts a process that ends at once, as after an error.
    names = next(csv.reader(io.StringIO(data.decode(), newline=None), delimiter=form.separator), [])
    # As text: an actor '01' must not become the number 1.
    types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data), pyarrow.csv.ReadOptions(use_threads=False), parse_options=layout, convert_options=types
    )
    if any(column.type != pa.string() for column in table.schema):
        raise CorpusError(f"{path} cannot be read as a table: a column's name holds line ends or quotes; rename it")
    return table.rename_columns([name.strip() for name in names])


def name_columns(
    path: Path,
    table: pa.Table,
    wanted: Sequence[str],
    columns: Mapping[str, str] | None = None,
    *,
    elsewhere: Sequence[str] = (),
) -> tuple[pa.Table, tuple[str, ...]]:
    """Find the columns of a table, whatever case and common name they are written in.

    Parameters
    ----------
    path : Path
        For messages.
    table : pyarrow.Table
    wanted : sequence of str
        Names of this package.
    columns : mapping of str to str, optional
        Name of this package → column that holds it, where somebody said so.
    elsewhere : sequence of str
        Names among ``columns`` whose columns somebody else reads.

    Returns
    -------
    table : pyarrow.Table
        Those of the wanted columns that there are, under the package's names.
    unread : tuple of str
        The other columns.

    Raises
    ------
    UsageError
        Where ``columns`` names what there is not.
    CorpusError
        Where several columns could be meant.
    """
    chosen = dict(columns or {})
    for name, column in chosen.items():
        if name not in (*wanted, *elsewhere):
            raise UsageError(f"--columns {name}={column}: '{name}' is none of {', '.join((*wanted, *elsewhere))}")
        if column not in table.column_names:
            raise UsageError(f"--columns {name}={column}: {path} has no such column; it has {table.column_names}")
    free = [column for column in table.column_names if column not in chosen.values()]
    for name in wanted:
        if name not in chosen and (column := column_of(path, name, free)):
            chosen[name] = column
    present = [name for name in wanted if name in chosen]
    unread = tuple(column for column in table.column_names if column not in chosen.values())
    return table.select([chosen[name] for name in present]).rename_columns(present), unread


def column_of(path: Path, name: str, columns: Sequence[str]) -> str:
    """Return the column that is meant by a name; empty where there is none.

    Raises
    ------
    CorpusError
        Where several could be meant.
    """
    # The name itself wins over its other case, and that over other names.
    for spelled in ([name], [column for column in columns if plain_name(column) == plain_name(name)]):
        if candidates := [column for column in spelled if column in columns]:
            break
    else:
        candidates = [column for column in columns if plain_name(column) in _OTHER_NAMES.get(name, ())]
    if len(candidates) > 1:
        raise CorpusError(
            f"{path} has the columns {candidates}, and each could be the {name}; say which: --columns"
            f" {name}={candidates[0]}"
        )
    return candidates[0] if candidates else ""


def plain_name(column: str) -> str:
    """Give a column's name in lower case, without separators."""
    return re.sub(r"[\W_]+", "", column.casefold())


def cell_text(value: object) -> str:
    """Give a cell as text without spaces around it; empty for what a table leaves out, ``1`` for 1.0.

    Raises
    ------
    CorpusError
        Where a cell holds bytes that are no UTF-8 text.
    """
    # An empty cell of a Parquet table is None, or NaN where a column of numbers was made by pandas.
    if value is None or value != value:
        return ""
    # Whole numbers are floats where pandas had to leave a cell of the column empty.
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == (whole := int(value)):
        return str(whole)
    if isinstance(value, bytes):
        try:
            return value.decode().strip()
        except UnicodeDecodeError as error:
            raise CorpusError(f"a cell holds the bytes {value[:20]!r}; expected text in UTF-8") from error
    return str(value).strip()


def _distinct(path: Path, table: pa.Table) -> pa.Table:
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise CorpusError(f"{path} has more than one column called {twice}; rename or drop one")
    return table


def _in_seconds(table: pa.Table) -> pa.Table:
    """Make columns of durations, which pandas writes, numbers of seconds."""
    for place, column in enumerate(table.schema):
        if pa.types.is_duration(column.type):
            per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
            counts = table[column.name].cast(pa.int64()).to_pylist()
            seconds = [None if count is None else count / per_second for count in counts]
            table = table.set_column(place, column.name, pa.array(seconds, pa.float64()))
    return table


def _with_actor(path: Path, table: pa.Table) -> pa.Table:
    """Call a column ``speaker`` ``actor``, which is what the package calls whoever speaks; drop it where both agree."""
    names = {name.lower(): name for name in table.column_names}
    if "speaker" not in names:
        return table
    if "actor" not in names:
        return table.rename_columns(["actor" if name == names["speaker"] else name for name in table.column_names])
    # As text: in a Parquet file one of them may hold numbers.
    actors, speakers = (list(map(cell_text, table[names[name]].to_pylist())) for name in ("actor", "speaker"))
    for row, (actor, speaker) in enumerate(zip(actors, speakers, strict=True), start=2):
        if actor != speaker:
            raise CorpusError(
                f"{path} has the columns actor and speaker, and row {row} says '{actor}' and '{speaker}'; both name who"
                " speaks: keep one of them"
            )
    return table.drop_columns([names["speaker"]])
