"""Exceptions of ravfeat, and helpers for messages about many or missing items.

::

    RavfeatError                      a message a user can act on; the command line prints it and exits 1
    ├── UsageError                    options that cannot go together or name nothing (exit 2)
    ├── MissingExtraError             an optional package is not installed
    ├── CorpusError                   a corpus or manifest cannot be read, or contradicts itself
    ├── MediaError                    one media file cannot be decoded as what it should be
    ├── EncoderError                  an encoder cannot be found, loaded or run
    │   └── ClipError                 one clip cannot be encoded; the others can
    ├── CacheError                    a cache is missing, damaged, busy, or another one than expected
    │   ├── ShardError                one shard file is damaged or does not belong
    │   └── MissingClipError          a clip is not stored; a KeyError as well
    ├── ProtocolError                 a protocol does not fit the data
    │   └── LeakError                 somebody or something would sit on two sides of a fold
    ├── HeadError                     a head cannot be trained or loaded
    ├── PluginError                   a user's own code, named by a reference, fails or gives something else
    ├── PredictionsError              prediction tables cannot be read or do not belong together
    ├── DownloadError                 a file could not be fetched or is not what was promised
    └── RemoteError                   an address of files cannot be read or written, or holds other than promised

Messages say what was expected, what came, where, and what to do next.
"""

from collections.abc import Collection, Iterable, Sequence

__all__ = [
    "CacheError",
    "ClipError",
    "CorpusError",
    "DownloadError",
    "EncoderError",
    "HeadError",
    "LeakError",
    "MediaError",
    "MissingClipError",
    "MissingExtraError",
    "PluginError",
    "PredictionsError",
    "ProtocolError",
    "RavfeatError",
    "RemoteError",
    "ShardError",
    "UsageError",
    "format_missing",
    "listed",
]


class RavfeatError(Exception):
    """Base of all errors raised on purpose; its message is written for the user."""


class UsageError(RavfeatError):
    """Options that cannot go together, or a name that is not among the choices."""


class MissingExtraError(RavfeatError):
    """An optional package is needed and not installed.

    Parameters
    ----------
    package : str
        The import name that was not found.
    extra : str
        The extra of ravfeat that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package '{package}': pip install 'ravfeat[{extra}]'")
        self.package = package
        self.extra = extra


class CorpusError(RavfeatError):
    """A corpus or manifest cannot be read, or contradicts itself."""


class MediaError(RavfeatError):
    """One media file cannot be decoded as what it should be."""


class EncoderError(RavfeatError):
    """An encoder cannot be found, loaded or run."""


class ClipError(EncoderError):
    """One clip cannot be encoded; the others can."""


class CacheError(RavfeatError):
    """A cache is missing, damaged, busy, or another one than expected."""


class ShardError(CacheError):
    """One shard file is damaged or does not belong to its cache."""


class MissingClipError(CacheError, KeyError):
    """A clip is not stored in a cache, which is a mapping."""

    # A KeyError would show its message in quotes.
    __str__ = Exception.__str__


class ProtocolError(RavfeatError):
    """A protocol does not fit the data."""


class LeakError(ProtocolError):
    """An actor, a performance or a recording would sit on two sides of a fold."""


class HeadError(RavfeatError):
    """A head cannot be trained or loaded."""


class PluginError(RavfeatError):
    """A user's own code fails, or gives something else than was asked of it."""


class PredictionsError(RavfeatError):
    """Prediction tables cannot be read or do not belong together."""


class DownloadError(RavfeatError):
    """A file could not be fetched or is not what was promised."""


class RemoteError(RavfeatError):
    """An address of files cannot be read or written, or holds something else than was promised."""


def listed(names: Iterable[str], shown: int = 30) -> str:
    """Join names by commas, the first of them where there are many.

    Examples
    --------
    >>> listed(["sad", "angry", "calm"], 2)
    'sad, angry and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return f"{', '.join(every[:shown])}{more}"


def format_missing(names: Sequence[object], have: Sequence[Collection[str]], shown: int = 3) -> str:
    """Compare collections that should be equal; list, one line each, those with missing items.

    Parameters
    ----------
    names : sequence
        Name of each collection.
    have : sequence of collection of str
        Items of each collection; all items of all of them are expected in each.
    shown : int
        Number of missing items to name.

    Returns
    -------
    str
        Empty where nothing is missing.

    Examples
    --------
    >>> format_missing(["voice", "face"], [{"a", "b"}, {"b"}])
    '  face lacks 1 of 2: a'
    """
    sets = [set(items) for items in have]
    expected = sorted(set().union(*sets))
    lines = []
    for name, items in zip(names, sets, strict=True):
        missing = [item for item in expected if item not in items]
        if missing:
            more = f" and {len(missing) - shown} more" if len(missing) > shown else ""
            lines.append(f"  {name} lacks {len(missing)} of {len(expected)}: {', '.join(missing[:shown])}{more}")
    return "\n".join(lines)
