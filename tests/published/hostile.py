"""A small published head, ways to change what it says, and a signature as an attacker would make it."""

import hashlib
import json
import struct
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors.numpy import load_file, save_file

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

LOGREG, KERNEL, ATTENTIVE = (
    f"folds/{folder}/fold-1-seed-0" for folder in ("audio-voice-logreg", "face-face-kernel", "audio-voice-attentive")
)
CLIPS = ("11-00", "12-03", "21-01")
"""Of a corpus that the heads never met."""


@dataclass(frozen=True)
class Place:
    """A run, what was published of it, and caches of other people."""

    run: Path
    head: Path
    caches: tuple[Path, Path]


def make_place(folder: Path) -> Place:
    """Publish an attentive, a logreg and a kernel head of three folds and of all actors, fused."""
    takes = actors_and_emotions(actors=6)
    caches = write_cache(folder, takes, name="voice", stream="audio"), write_cache(folder, takes, name="face")
    heads = ("audio:attentive", "audio:logreg", "face:kernel")
    plan = FitPlan(caches, heads=heads, protocol="group3", settings={"epochs": 1, "hidden": 4})
    write_run(folder / "run", fit_heads(plan), {"command": "ravfeat fit-heads"})
    export_heads(folder / "run", folder / "head", refitted=True)
    others = actors_and_emotions(seed=7, corpus="other")
    voice = write_cache(folder / "others", others, name="voice", stream="audio", corpus="other")
    face = write_cache(folder / "others", others, name="face", corpus="other")
    return Place(folder / "run", folder / "head", (voice, face))


def sign(folder: Path) -> None:
    """Write every digest anew; what cannot be read is left as it is."""
    path = folder / "head.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    files = document.get("files")
    for name in files if isinstance(files, dict) else ():
        if (folder / name).is_file():
            files[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    document.pop("sha256", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    path.write_text(tomli_w.dumps({"sha256": digest, **document}), encoding="utf-8")


Change = Callable[[Path], None]


def toml(name: str, change: Callable[[Any], object]) -> Change:
    """Change a TOML file in place."""

    def apply(folder: Path) -> None:
        document = tomllib.loads((folder / name).read_text(encoding="utf-8"))
        change(document)
        (folder / name).write_text(tomli_w.dumps(document), encoding="utf-8")

    return apply


def json_file(name: str, change: Callable[[Any], object]) -> Change:
    """Change a JSON file in place."""

    def apply(folder: Path) -> None:
        document = json.loads((folder / name).read_text(encoding="utf-8"))
        change(document)
        (folder / name).write_text(json.dumps(document), encoding="utf-8")

    return apply


def put(name: str, place: str, value: Any) -> Change:
    """Set one value, such as ``systems.0.stream``, of a TOML or JSON file."""

    def change(document: Any) -> None:
        *steps, last = place.split(".")
        for step in steps:
            document = document[int(step) if isinstance(document, list) else step]
        document[int(last) if isinstance(document, list) else last] = value

    return (json_file if name.endswith(".json") else toml)(name, change)


def arrays(stem: str, change: Callable[[dict[str, np.ndarray]], object]) -> Change:
    """Change the arrays of a head in place."""

    def apply(folder: Path) -> None:
        path = folder / f"{stem}.safetensors"
        tensors = {name: values.copy() for name, values in load_file(path).items()}
        change(tensors)
        save_file(tensors, path)

    return apply


def fill(stem: str, name: str, value: float) -> Change:
    """Set the first number of an array."""
    return arrays(stem, lambda tensors: tensors[name].flat.__setitem__(0, value))


def header(stem: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the JSON header of a safetensors file and leave its numbers."""

    def apply(folder: Path) -> None:
        path = folder / f"{stem}.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        about = json.loads(data[8 : 8 + size])
        change(about)
        text = json.dumps(about).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return apply


def content(name: str, data: bytes) -> Change:
    """Replace a file."""
    return lambda folder: (folder / name).write_bytes(data) and None


def instead_of(name: str, make: Callable[[Path], object]) -> Change:
    """Put something else in the place of a file."""

    def apply(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return apply
