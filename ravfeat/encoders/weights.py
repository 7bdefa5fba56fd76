"""Open a folder of model weights, compute its digest, download it from the Hugging Face hub.

The digest is computed over the files, not over loaded tensors: libraries rename tensors between versions,
and after an upgrade a cache must still be recognised.
"""

import errno
import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ravfeat.encoders.model_documents import PREPROCESSORS, read_config, read_preprocessors
from ravfeat.encoders.weight_files import find_weights
from ravfeat.errors import EncoderError
from ravfeat.files import canonical_json, sha256_of
from ravfeat.model_origin import COMMIT, ModelOrigin

__all__ = ["MODEL_CARD", "WeightFolder", "fetch_config", "fetch_weights", "open_weights"]

_log = logging.getLogger(__name__)

# What libraries rewrite whenever they save a model, and what changes none of its outputs.
_VOLATILE_KEYS = frozenset(
    {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures", "use_cache"}
)
MODEL_CARD = "README.md"
"""Where a repository of the hub says what it is, and its licence."""

_TABLES = ("config.json", *PREPROCESSORS)
_SAFETENSORS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class WeightFolder:
    """A model folder in the format of `transformers`.

    Attributes
    ----------
    path : Path
    files : tuple of Path
        The weight files that will be loaded, sorted by name.
    index : Path or None
        The file that lists them, where there are several.
    source : ModelOrigin
        Repository and revision that they were downloaded from; empty for a local folder.
    """

    path: Path
    files: tuple[Path, ...]
    index: Path | None = None
    source: ModelOrigin = field(default_factory=ModelOrigin)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The contents of ``config.json``."""
        return read_config(self.path / "config.json")

    def preprocessors(self, *keys: str) -> dict[str, dict[str, Any]]:
        """Read what is said about the preprocessor; see `ravfeat.encoders.model_documents.read_preprocessors`."""
        return read_preprocessors(self.path, *keys)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the weight files and the configuration (without names and versions)."""
        config = {key: value for key, value in self.config.items() if key not in _VOLATILE_KEYS}
        digest = hashlib.sha256(canonical_json(config).encode())
        for file in self.files:
            # Digests of files, not the files: a file of gigabytes is read once, in blocks.
            digest.update(bytes.fromhex(self._weights_sha256[file.name]))
        return digest.hexdigest()

    @cached_property
    def files_sha256(self) -> dict[str, str]:
        """SHA-256 of all files that are read, by name: weights, their index, and what says how they are used."""
        others = [self.path / name for name in _TABLES if (self.path / name).is_file()]
        others += [self.index] if self.index else []
        return {path.name: sha256_of(path) for path in others} | self._weights_sha256

    @cached_property
    def _weights_sha256(self) -> dict[str, str]:
        return {file.name: sha256_of(file) for file in self.files}


def open_weights(path: Path) -> WeightFolder:
    """Open a local folder.

    Raises
    ------
    EncoderError
        Where it has no configuration, or no weights that can be told for sure; see
        `ravfeat.encoders.weight_files.find_weights`.
    """
    if not (path / "config.json").exists():
        raise EncoderError(
            f"{path} is no encoder: it has no config.json; expected a folder as save_pretrained writes it"
        )
    if (path / "adapter_config.json").exists():
        raise EncoderError(
            f"{path} holds an adapter (adapter_config.json), which is not applied; merge it into the model"
            " (merge_and_unload) and save that, or remove the adapter"
        )
    weights = find_weights(path)
    return WeightFolder(path, weights.files, weights.index)


def fetch_weights(
    repository: str,
    revision: str | None,
    *,
    offline: bool = False,
    pickles: bool = True,
    option: str = "--encoder FOLDER",
) -> WeightFolder:
    """Download an encoder from the Hugging Face hub, or use the local copy of an earlier download.

    Of a commit that is here nothing is asked.

    Parameters
    ----------
    repository : str
        For example ``microsoft/wavlm-large``.
    revision : str, optional
        Commit, so that the weights can never change; None takes the newest.
    offline : bool
        Use the local copy only.
    pickles : bool
        Whether weights may be a pickle where there is no safetensors file.
    option : str
        What names a folder instead; for messages.

    Raises
    ------
    EncoderError
        Where it is neither reachable nor stored locally, or holds only a pickle and must not.
    """
    folder = _local_copy(repository, revision)
    if folder is None:
        if not offline:
            _log.info("asking the Hugging Face hub for %s, %s", repository, revision or "newest")
        kinds = [_SAFETENSORS, *([_PICKLES] if pickles else [])]
        folder = _fetch(repository, revision, kinds, offline=offline, option=option)
    weights = open_weights(folder)
    if not pickles and weights.files[0].suffix != ".safetensors":
        raise EncoderError(_only_pickles(repository, option))
    _log.info("encoder %s at %s", repository, folder)
    # The hub's folder of a download is named after its commit, whatever was asked for.
    revision = folder.name if folder.parent.name == "snapshots" else revision
    source = ModelOrigin(repository=repository)
    if revision:
        source["revision"] = revision
    return replace(weights, source=source)


def _local_copy(repository: str, revision: str | None) -> Path | None:
    """Find a commit that was fetched before, whole; nobody is asked."""
    if revision is None or not COMMIT.fullmatch(revision):
        return None
    try:
        # Safetensors: a pickle counts only where the repository has nothing else.
        folder = _download(repository, revision, (*_TABLES, *_SAFETENSORS), offline=True)
        open_weights(folder)
    except EncoderError:
        return None
    # A download may have ended before these came.
    return folder if any((folder / name).is_file() for name in PREPROCESSORS) else None


def _fetch(
    repository: str, revision: str | None, kinds: Sequence[Sequence[str]], *, offline: bool, option: str
) -> Path:
    # Many repositories hold the same weights in both formats: pickles are fetched only where there is nothing else.
    for weights in kinds:
        folder = _download(repository, revision, (*_TABLES, *weights), offline=offline, option=option)
        if any(path for pattern in weights for path in folder.glob(pattern)):
            break
    else:
        if len(kinds) == 1:
            raise EncoderError(_only_pickles(repository, option))
    if not offline and not (folder / MODEL_CARD).is_file():
        with suppress(EncoderError):  # it says the licence, and is not needed to compute anything
            _download(repository, folder.name if COMMIT.fullmatch(folder.name) else revision, (MODEL_CARD,))
    return folder


def _only_pickles(repository: str, option: str) -> str:
    return (
        f"'{repository}' on the Hugging Face hub holds no safetensors file, and other weights are loaded only of models"
        f" that you name yourself; if you trust it: {option}"
    )


def fetch_config(repository: str, revision: str | None) -> dict[str, Any]:
    """Download only an encoder's configuration, which tells whether it reads waveforms or pictures.

    Raises
    ------
    EncoderError
        As `fetch_weights`.
    """
    path = _download(repository, revision, ("config.json",)) / "config.json"
    if not path.is_file():
        raise EncoderError(f"'{repository}' on the Hugging Face hub is no encoder: it has no config.json")
    return read_config(path)


def _download(
    repository: str,
    revision: str | None,
    patterns: Sequence[str],
    *,
    offline: bool = False,
    option: str = "--encoder FOLDER",
) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(patterns), local_files_only=offline)
        )
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}:
            raise  # the hub was reached; the local folder cannot be written
        raise _not_reachable(repository, revision, error, option) from error
    except Exception as error:
        # The hub's client raises its own errors, those of its HTTP library, and built-in ones.
        raise _not_reachable(repository, revision, error, option) from error


def _not_reachable(repository: str, revision: str | None, error: Exception, option: str) -> EncoderError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    pinned = f" --revision {revision}" if revision else ""
    return EncoderError(
        f"the encoder '{repository}' is neither on this machine nor reachable on the Hugging Face hub ({reason})."
        f" Fetch it where there is a network (hf download {repository}{pinned} --local-dir FOLDER), copy the folder"
        f" here and name it: {option}"
    )
