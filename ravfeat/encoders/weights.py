"""Open a folder of model weights, compute its digest, download it from the Hugging Face hub.

The digest is computed over the files, not over loaded tensors: libraries rename tensors between versions,
and after an upgrade a cache must still be recognised.
"""

import errno
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ravfeat.encoders.model_documents import PREPROCESSORS, read_config, read_preprocessors
from ravfeat.encoders.weight_files import find_weights
from ravfeat.errors import EncoderError
from ravfeat.files import canonical_json, sha256_of

__all__ = ["WeightFolder", "fetch_config", "fetch_weights", "open_weights"]

_log = logging.getLogger(__name__)

# What libraries rewrite whenever they save a model, and what changes none of its outputs.
_VOLATILE_KEYS = frozenset(
    {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures", "use_cache"}
)
_TABLES = ("config.json", *PREPROCESSORS)


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
    source : mapping of str to str
        Repository and revision that they were downloaded from; empty for a local folder.
    """

    path: Path
    files: tuple[Path, ...]
    index: Path | None = None
    source: Mapping[str, str] = field(default_factory=dict)

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
            digest.update(bytes.fromhex(sha256_of(file)))
        return digest.hexdigest()


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


def fetch_weights(repository: str, revision: str | None) -> WeightFolder:
    """Download an encoder from the Hugging Face hub, or use the local copy of an earlier download.

    Parameters
    ----------
    repository : str
        For example ``microsoft/wavlm-large``.
    revision : str, optional
        Commit, so that the weights can never change; None takes the newest.

    Raises
    ------
    EncoderError
        Where it is neither reachable nor stored locally.
    """
    safetensors = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
    folder = _download(repository, revision, (*_TABLES, *safetensors))
    # Many repositories hold the same weights in both formats: pickles are fetched only where there is nothing else.
    if not list(folder.glob("*.safetensors")):
        pickles = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
        folder = _download(repository, revision, (*_TABLES, *pickles))
    _log.info("encoder %s at %s", repository, folder)
    # The hub's folder of a download is named after its commit, whatever was asked for.
    revision = folder.name if folder.parent.name == "snapshots" else revision
    known = {"repository": repository, "revision": revision}
    return replace(open_weights(folder), source={name: value for name, value in known.items() if value})


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


def _download(repository: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}:
            raise  # the hub was reached; the local folder cannot be written
        raise _not_reachable(repository, revision, error) from error
    except Exception as error:
        # The hub's client raises its own errors, those of its HTTP library, and built-in ones.
        raise _not_reachable(repository, revision, error) from error


def _not_reachable(repository: str, revision: str | None, error: Exception) -> EncoderError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    pinned = f" --revision {revision}" if revision else ""
    return EncoderError(
        f"the encoder '{repository}' is neither on this machine nor reachable on the Hugging Face hub ({reason})."
        f" Fetch it where there is a network (hf download {repository}{pinned} --local-dir FOLDER), copy the folder"
        " here and name it: --encoder FOLDER"
    )
