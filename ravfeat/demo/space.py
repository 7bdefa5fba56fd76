"""Write a folder that is a Hugging Face Space: the page of a published head, with all that it needs to start.

The folder holds a copy of ravfeat itself, since a Space installs what ``requirements.txt`` names before it sees any
other file. Encoders that lie on the hub are fetched when the Space starts; ONNX nets go into ``models/``.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ravfeat
from ravfeat.corpora.terms import Terms
from ravfeat.demo.space_card import readme
from ravfeat.encoders.onnx_sidecar import find_sidecar
from ravfeat.errors import EncoderError, HeadError
from ravfeat.files import check_name, replace_file
from ravfeat.model_origin import COMMIT, is_hub_id
from ravfeat.published.card import terms_of
from ravfeat.published.format import open_folder
from ravfeat.published.models import can_be_fetched, net_at_hand
from ravfeat.published.parts import Need, PublishedSystem
from ravfeat.published.subset import copy_subset
from ravfeat.runs.folder import check_out, whole_folder

__all__ = ["REQUIREMENTS", "export_space"]

REQUIREMENTS = (
    "numpy", "h5py", "pyarrow", "click", "tqdm", "pydantic", "annotated-types", "typing-extensions", "fsspec",
    "huggingface_hub",
    "torch", "transformers", "safetensors", "av", "soundfile", "soxr",
    "scipy", "threadpoolctl", "tomli-w", "scikit-learn",
    "gradio", "pillow",
)  # fmt: skip
"""What a Space of any head installs: the extras extract, heads and demo."""

FACE_REQUIREMENTS = ("mediapipe", "onnxruntime")

_TORCH_CPU = "https://download.pytorch.org/whl/cpu"
_SPACE: dict[str, str] = {"kind": "Space", "known_by": "app.py", "option": "--export"}

_APP = '''"""The page of a published head; made by 'ravfeat demo --export'."""

import os
from pathlib import Path

from ravfeat.demo.serve import serving

HERE = Path(__file__).resolve().parent
MODELS = {models}

if __name__ == "__main__":
    with serving(
        HERE / "head",
        host=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        models={{name: str(HERE / place) if place.startswith("models/") else place for name, place in MODELS.items()}},
    ) as server:
        print(server.url, flush=True)
        server.wait()
'''


def export_space(
    head: Path, to: Path, *, models: Mapping[str, str] = {}, licence: str | None = None, force: bool = False
) -> list[str]:
    """Write the folder; it appears whole or not at all.

    Parameters
    ----------
    head : Path
        A published head with refitted heads; only these are copied.
    to : Path
    models : mapping of str to str
        By the encoder's name in the head: an ONNX net to copy, or ``OWNER/NAME@COMMIT`` on the hub.
    licence : str, optional
        What the terms of a corpus that ravfeat does not know allow the heads to be published under.
    force : bool
        Replace a Space that is already there.

    Returns
    -------
    list of str
        What lies in the folder.

    Raises
    ------
    HeadError
        For a head without refitted heads.
    CorpusError
        Where the terms of its corpus forbid or do not say that it may be published.
    EncoderError
        Where a model can neither be fetched by the Space nor be passed on.
    UsageError
        Where `to` is taken.
    """
    check_out(to, force=force, **_SPACE)
    document = open_folder(head).document
    if "refit" not in document:
        raise HeadError(
            f"{head} has no refitted heads, and a Space needs one set of heads that learned from everybody: make them"
            " with 'ravfeat export-heads RUN --to HEAD --refit'"
        )
    terms = terms_of(document, licence, "--licence")
    needs = [need for entry in document["systems"] for need in PublishedSystem.of(entry).needs]
    places, nets = _places(needs, models)
    with whole_folder(to, force=force, **_SPACE) as folder:
        copy_subset(head, folder / "head", ["refit"])
        for name, net in nets.items():
            (folder / "models").mkdir(exist_ok=True)
            replace_file(folder / name, net.read_bytes())
        package = Path(ravfeat.__file__).parent
        shutil.copytree(package, folder / "ravfeat", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        for name, text in _texts(document, needs, terms, places).items():
            replace_file(folder / name, text.encode())
        names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    return names


def _places(needs: Iterable[Need], models: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Path]]:
    """Say where the Space finds encoders that it cannot fetch by the head's own record, and what is copied there."""
    places: dict[str, str] = {}
    nets: dict[str, Path] = {}
    for need in needs:
        given = models.get(need.encoder, "")
        net = Path(given) if given.endswith((".onnx", ".toml")) else None
        repository, _, revision = given.partition("@")
        if is_hub_id(repository) and COMMIT.fullmatch(revision):
            places[need.encoder] = given
        elif net is None and can_be_fetched(need):
            continue
        else:
            name = check_name(need.encoder, "an encoder", HeadError, "export the heads again")
            places[need.encoder] = f"models/{name}.onnx"
            nets[places[need.encoder]] = _to_pass_on(need, net or net_at_hand(str(need.identity.get("weights"))))
    return places, nets


def _to_pass_on(need: Need, net: Path | None) -> Path:
    """Give the net's file, where somebody says that it may be passed on; its settings are in the head's record."""
    if net is None:
        raise EncoderError(
            f"the Space cannot fetch the encoder '{need.encoder}': name an ONNX net to copy, or a commit on the hub:"
            f" --model {need.encoder}=NET.onnx or --model {need.encoder}=OWNER/NAME@COMMIT"
        )
    settings = find_sidecar(net)
    if settings.sha256 != need.identity.get("weights"):
        raise EncoderError(
            f"{settings.model} is another net than '{need.encoder}' of the head: its SHA-256 is {settings.sha256},"
            f" expected {need.identity.get('weights')}; name the one that the features were made with"
        )
    if not (need.model or {}).get("licence") and not settings.table.get("licence"):
        raise EncoderError(
            f"nothing says under which licence {settings.model} may be passed on; write it into the settings beside the"
            ' net: licence = "MIT"'
        )
    return settings.model


def _texts(
    document: Mapping[str, Any], needs: Sequence[Need], terms: Terms, places: Mapping[str, str]
) -> dict[str, str]:
    face = any(need.identity.get("stream") == "face" for need in needs)
    return {
        "app.py": _APP.format(models=json.dumps(places, indent=4)),
        "requirements.txt": _requirements([*REQUIREMENTS, *(FACE_REQUIREMENTS if face else ())]),
        "LICENSE": _code_licence(),
        "README.md": readme(document, needs, terms),
    }


def _requirements(names: Iterable[str]) -> str:
    lines = [f"--extra-index-url {_TORCH_CPU}"]
    for name in names:
        try:
            lines.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:  # onnxruntime, where onnxruntime-gpu stands in for it
            lines.append(name)
    return "\n".join(lines) + "\n"


def _code_licence() -> str:
    package = Path(ravfeat.__file__).parent
    for path in (package.parent / "LICENSE", *package.parent.glob("ravfeat-*.dist-info/licenses/LICENSE")):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return "The folder ravfeat/ is under the Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"
