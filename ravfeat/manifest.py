"""The manifest of a corpus: one row per clip with actor, label, performance and path.

Conventions
-----------
Clips are sorted by ``clip_id``. ``actor`` is prefixed with the corpus (``ravdess:07``), so that actors of
two corpora are never equal. ``path`` is relative to the data folder, with forward slashes: a manifest contains
nothing about the machine it was made on.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ravfeat.clip_checks import check_clips
from ravfeat.clips import CLIP_SCHEMA, Clip, ClipsById, ClipTable, clip_schema
from ravfeat.documents import parse_json
from ravfeat.errors import CorpusError, RavfeatError
from ravfeat.files import read_limited, replace_file
from ravfeat.short_repr import short_repr
from ravfeat.texts import SortedTexts

__all__ = [
    "MANIFEST_SCHEMA",
    "Clip",
    "Manifest",
    "actor_number",
    "checked_columns",
    "is_unknown",
    "parquet_bytes",
    "parquet_table",
    "read_parquet",
    "unknown_actor",
]

_PLAIN, _EXTENDED = "1", "2"
"""Versions of a manifest: without and with columns beside those of `MANIFEST_SCHEMA`."""
_META_KEY = b"ravfeat.manifest"
_UNKNOWN = "?"
_CORPUS_NAME = re.compile(r"\w[\w.-]*")
_MAX_PARQUET_BYTES = 4 << 30
_ROW_GROUP = 1 << 17
_PARQUET_BYTES_FREE, _PARQUET_TIMES, _CELL_BYTES = 256 << 20, 20, 16

MANIFEST_SCHEMA = CLIP_SCHEMA

_REMEDY = "make the manifest again"


@dataclass(frozen=True)
class _Metadata:
    version: str
    corpus: str
    classes: list[str]
    synthetic: bool


def actor_number(actor: str) -> int | None:
    """Parse the number at the end of an actor id; None where it is a name.

    Examples
    --------
    >>> actor_number("ravdess:07")
    7
    """
    tail = actor.rpartition(":")[2]
    return int(tail) if tail.isdecimal() else None


def unknown_actor(corpus: str, performance: str) -> str:
    """Give the actor of a clip of which nobody says who speaks: one of its own, marked as unknown.

    Folds cannot keep such people apart, so whatever is tested with them says UNCHECKED.

    Examples
    --------
    >>> unknown_actor("msp-podcast", "MSP-PODCAST_0001_0008")
    'msp-podcast:?MSP-PODCAST_0001_0008'
    """
    return f"{corpus}:{_UNKNOWN}{performance.replace(':', '_')}"


def is_unknown(actor: str) -> bool:
    """Whether an actor is nobody in particular; see `unknown_actor`."""
    return actor.partition(":")[2].startswith(_UNKNOWN)


@short_repr
@dataclass(frozen=True)
class Manifest:
    """All clips of one corpus.

    Attributes
    ----------
    corpus : str
        Short name (letters, digits, ``_``, ``-``, ``.``): first part of every actor id and a folder
        of the cache.
    classes : tuple of str
        The label set, in the order of the logits.
    clips : sequence of Clip
        Sorted by ``clip_id``: a `ravfeat.clips.ClipTable`, whatever it was made of.
    synthetic : bool
        Whether the corpus is generated. Everything made from it is marked as synthetic.
    skipped : dict of str to int
        Reasons for files that a scan of the folder left out, with counts.
    unread : tuple of str
        Columns of a table that are not kept.
    notes : tuple of str
        Sentences about the data that whoever extracts them should read.

    Raises
    ------
    CorpusError
        For a name that is not a valid folder name or holds control characters, two clips with one id, an empty
        actor, or a label that is not among the classes.
    """

    corpus: str
    classes: tuple[str, ...]
    clips: Sequence[Clip]
    synthetic: bool = False
    # Not compared: what a scan left out does not make another corpus.
    skipped: dict[str, int] = field(default_factory=dict, compare=False)
    unread: tuple[str, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not _CORPUS_NAME.fullmatch(self.corpus):
            raise CorpusError(
                f"'{self.corpus}' cannot be a corpus's name: it becomes a folder of the cache and the first part of"
                " every actor id; use letters, digits, '_', '-' and '.'"
            )
        # Whatever order a folder was listed in: shards and folds are planned in this order.
        object.__setattr__(self, "clips", ClipTable.of(self.clips).compact().sorted())
        if not self.clips:
            raise CorpusError(f"corpus '{self.corpus}' has no clips")
        check_clips(self.corpus, self.classes, self.columns)

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def columns(self) -> ClipTable:
        """The clips as columns, for what is done with all of them."""
        return ClipTable.of(self.clips)

    @cached_property
    def ids(self) -> SortedTexts:
        """All ids of clips, sorted: the place of an id is the row of its clip."""
        return SortedTexts(self.columns.table["clip_id"])

    @property
    def actors(self) -> tuple[str, ...]:
        """All actors, sorted."""
        return tuple(sorted(self.columns.table["actor"].unique().to_pylist()))

    def by_id(self) -> ClipsById:
        """Return the clips by ``clip_id``, a mapping that finds them in the table."""
        return ClipsById(self.ids, self.columns)

    def table(self) -> pa.Table:
        """Convert the manifest to an Arrow table."""
        # Classes are stored, not derived from the labels: their order is that of the logits.
        meta = {
            "version": _EXTENDED if self.columns.extra else _PLAIN,
            "corpus": self.corpus,
            "classes": list(self.classes),
            "synthetic": self.synthetic,
        }
        return self.columns.table.replace_schema_metadata({_META_KEY: json.dumps(meta, sort_keys=True).encode()})

    @classmethod
    def from_table(cls, table: pa.Table, *, where: str = "manifest") -> Self:
        """Rebuild a manifest from its Arrow table.

        Raises
        ------
        CorpusError
            Where columns or the metadata are missing, or the version is newer than this library.
        """
        meta = (table.schema.metadata or {}).get(_META_KEY)
        if meta is None:
            raise CorpusError(f"{where} is not a ravfeat manifest: its Parquet metadata has no '{_META_KEY.decode()}'")
        about = parse_json(meta, _Metadata, f"{where}, {_META_KEY.decode()}", CorpusError, _REMEDY)
        if about.version not in {_PLAIN, _EXTENDED}:
            raise CorpusError(
                f"{where} has manifest version {about.version}, this ravfeat reads {_PLAIN} and {_EXTENDED};"
                " install a newer ravfeat"
            )
        table = checked_columns(table, clip_schema(table.schema), where, CorpusError, _REMEDY)
        # A null would pass as one more actor or label.
        if any(column.null_count for column in table.columns):
            raise CorpusError(f"{where} is damaged: it has empty cells")
        return cls(about.corpus, tuple(about.classes), ClipTable(table), synthetic=about.synthetic)

    def write(self, path: Path) -> None:
        """Write the manifest as Parquet, atomically."""
        replace_file(path, parquet_bytes(self.table()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest written by `write`.

        Raises
        ------
        CorpusError
            Where the file is not a readable ravfeat manifest.
        """
        return cls.from_table(read_parquet(path, CorpusError, _REMEDY), where=str(path))

    def with_clips(self, clips: Iterable[Clip]) -> "Manifest":
        """Return the same corpus with other clips."""
        # Without `skipped`, `unread` and `notes`, which describe the scan of the whole folder.
        return Manifest(self.corpus, self.classes, ClipTable.of(clips), synthetic=self.synthetic)


def parquet_bytes(table: pa.Table) -> bytes:
    """Serialise a table as Parquet with page checksums, in groups of rows that can be read alone."""
    sink = pa.BufferOutputStream()
    # Parquet's default has no checksums: a flipped bit would be another value, without an error.
    with pq.ParquetWriter(sink, table.schema, write_page_checksum=True) as writer:
        for start in range(0, max(1, len(table)), _ROW_GROUP):
            # In one piece, on which the pages depend: equal tables give equal bytes, however they are chunked.
            writer.write_table(table.slice(start, _ROW_GROUP).combine_chunks())
    return bytes(sink.getvalue())


def read_parquet(path: Path, error: type[RavfeatError], remedy: str) -> pa.Table:
    """Read a Parquet file: a regular file of usual size that `parquet_table` can read.

    Raises
    ------
    RavfeatError
        Of the type `error`, naming the file.
    """
    data = read_limited(path, _MAX_PARQUET_BYTES, error, remedy)
    try:
        return parquet_table(data)
    except (OSError, pa.ArrowException, UnicodeError) as problem:
        raise error(f"{path} cannot be read as Parquet ({problem}); {remedy}") from problem


def parquet_table(data: bytes) -> pa.Table:
    """Read a table from the bytes of a Parquet file, page checksums and texts checked.

    From bytes, because Arrow would add a column ``run`` for a path such as ``run=3/manifest.parquet``.

    Raises
    ------
    pyarrow.ArrowException, OSError, UnicodeError
        Where it cannot be read, or unpacks to over 256 MB and twenty times the size of the file.
    """
    allowed = _PARQUET_BYTES_FREE + _PARQUET_TIMES * len(data)
    file = pq.ParquetFile(pa.BufferReader(data))
    texts = _flat_texts(file)
    _check_unpacked(_bytes_of_footer(file.metadata, texts), allowed)
    # As dictionaries first: a single long text may stand in a million rows, which no footer tells. Without Arrow's
    # threads, which can abort a process that ends at once.
    reader = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts, page_checksum_verification=True)
    parts, unpacked = [], 0
    # One group of rows after another: as dictionaries and as texts at once, a large table would take twice its memory.
    for group in range(reader.num_row_groups):
        part = reader.read_row_group(group, use_threads=False)
        lengths = [pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in _dictionaries(part)]
        _check_unpacked(unpacked := unpacked + sum(pc.sum(length).as_py() or 0 for length in lengths), allowed)
        parts.append(part.cast(file.schema_arrow))
    table = pa.concat_tables([file.schema_arrow.empty_table(), *parts])
    table.validate(full=True)
    return table


def checked_columns(
    table: pa.Table,
    schema: pa.Schema,
    where: str,
    error: type[RavfeatError],
    remedy: str,
    *,
    optional: Collection[str] = (),
) -> pa.Table:
    """Return the columns of a schema, in its order; those of `optional` that are not there are null.

    Raises
    ------
    RavfeatError
        Of the type `error`: where a column lacks, is there twice, or has another type.
    """
    if missing := [name for name in schema.names if name not in table.column_names and name not in optional]:
        raise error(f"{where} lacks the columns {missing}; {remedy}")
    columns = []
    for column in schema:
        count = table.column_names.count(column.name)
        if count > 1 or (count and table.schema.field(column.name).type != column.type):
            raise error(f"{where} has not one column '{column.name}' of the type {column.type}; {remedy}")
        columns.append(table[column.name] if count else pa.nulls(len(table), column.type))
    return pa.table(columns, schema.with_metadata(table.schema.metadata))


def _flat_texts(file: pq.ParquetFile) -> list[str]:
    paths = [column.path for column in file.schema]
    kinds = {column.path: column.physical_type for column in file.schema}
    return [name for name in file.schema_arrow.names if paths.count(name) == 1 and kinds[name] == "BYTE_ARRAY"]


def _bytes_of_footer(footer: pq.FileMetaData, texts: Sequence[str]) -> int:
    """Estimate the memory of a table, as Arrow holds it and Python lists its rows."""
    total = 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(footer.num_columns)):
            cells, packed = max(abs(column.num_values), abs(group.num_rows)), abs(column.total_uncompressed_size)
            nested = column.physical_type == "BYTE_ARRAY" and column.path_in_schema not in texts
            total += cells * (_CELL_BYTES + (packed if nested else 0)) + packed
    return total


def _dictionaries(table: pa.Table) -> Iterator[pa.DictionaryArray]:
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and not pa.types.is_primitive(kind.value_type):
            yield from column.chunks


def _check_unpacked(size: int, allowed: int) -> None:
    if size > allowed:
        raise pa.ArrowInvalid(f"it unpacks to {size >> 20} MB, expected at most {allowed >> 20} of a file of its size")
