"""Find the weight files of a model folder: exactly those that `transformers` would load, in its order of preference.

A folder may hold the same weights in several files. Those that count are ``model.safetensors``, else the files that
``model.safetensors.index.json`` lists, else the same of ``pytorch_model.bin``.
"""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from ravfeat.documents import read_json
from ravfeat.errors import EncoderError
from ravfeat.files import check_name, describe_stand_in

__all__ = ["WeightFiles", "find_weights"]

_STEMS = (("model", ".safetensors"), ("pytorch_model", ".bin"))
_MAX_INDEX_BYTES = 64 << 20
_REMEDY = "save the model again (save_pretrained), or fetch the folder again"


class _Index(TypedDict):
    weight_map: dict[str, str]


@dataclass(frozen=True)
class WeightFiles:
    """The weights of a model.

    Attributes
    ----------
    files : tuple of Path
        Sorted by name.
    index : Path or None
        The file that lists them, where the weights are in several files.
    """

    files: tuple[Path, ...]
    index: Path | None = None


def find_weights(folder: Path) -> WeightFiles:
    """Find the files that hold a model's weights.

    Raises
    ------
    EncoderError
        Where there are none, one is missing, empty, no regular file or a text in place of weights, or where the files
        and the index do not belong together: other files would be loaded than those that somebody sees.
    """
    for stem, suffix in _STEMS:
        whole, index = folder / f"{stem}{suffix}", folder / f"{stem}{suffix}.index.json"
        shards = {path.name for path in folder.glob(f"{stem}-*{suffix}")}
        if _there(whole):
            _check_file(whole)
            return WeightFiles((whole,))
        if _there(index):
            return WeightFiles(_listed(folder, index, suffix, shards), index)
        if shards:
            raise EncoderError(f"{folder} has {min(shards)} and no {index.name}, which lists such files; {_REMEDY}")
    raise EncoderError(
        f"{folder} has a configuration and no weights: expected model.safetensors or pytorch_model.bin;"
        " a frozen encoder must not run on random weights"
    )


def _listed(folder: Path, index: Path, suffix: str, shards: set[str]) -> tuple[Path, ...]:
    names = set(read_json(index, _Index, EncoderError, _REMEDY, limit=_MAX_INDEX_BYTES)["weight_map"].values())
    if not names:
        raise EncoderError(f"{index} lists no files; {_REMEDY}")
    for name in names:
        check_name(name, f"a file in {index}", EncoderError, _REMEDY)
        # The library tells safe files from pickles by their names.
        if not name.endswith(suffix):
            raise EncoderError(f"{index} lists '{name}', expected names that end in {suffix}; {_REMEDY}")
    if unlisted := shards - names:
        raise EncoderError(
            f"{folder} has {min(unlisted)}, which {index.name} does not list, so that it would not be loaded; remove"
            f" it, or {_REMEDY}"
        )
    files = tuple(folder / name for name in sorted(names))
    for file in files:
        if not _there(file):
            raise EncoderError(f"{index} lists {file.name}, which is not there; {_REMEDY}")
        _check_file(file)
    return files


def _there(path: Path) -> bool:
    # A link that leads nowhere is there and is then refused, rather than passed over for other weights.
    return path.is_symlink() or path.exists()


def _check_file(path: Path) -> None:
    # Links are followed: the hub's client keeps all files as links to its store.
    if not path.is_file():
        raise EncoderError(f"{path} is not a regular file, or a link to nothing; {_REMEDY}")
    try:
        stand_in = describe_stand_in(path, "weights") or ("" if path.stat().st_size else f"is empty; {_REMEDY}")
    except OSError as error:
        raise EncoderError(f"{path} cannot be read ({error.strerror}); check who may read it") from error
    if stand_in:
        raise EncoderError(f"{path} {stand_in}")
