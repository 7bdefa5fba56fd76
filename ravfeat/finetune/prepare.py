"""Check everything that a fine-tuning needs before it trains: settings, encoder, clips, folds."""

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ravfeat import __version__
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.device import resolve_device
from ravfeat.encoders.registry import load_encoder, stream_of
from ravfeat.encoders.top_layers import SPLITTABLE, SplitEncoder
from ravfeat.errors import CorpusError, EncoderError, UsageError
from ravfeat.files import canonical_json
from ravfeat.finetune.clips import ReadClip, read_all
from ravfeat.finetune.plan import FineTunePlan, check_plan
from ravfeat.media.augment import CLEAN, View
from ravfeat.protocols.folds import Fold, check_allowed, make_folds, settled
from ravfeat.protocols.named import Protocol, get_protocol
from ravfeat.protocols.unchecked import mark_unchecked

__all__ = ["PreparedFineTune", "prepare"]

_AMPERE = 8
"""Major compute capability of the first devices with bfloat16."""


@dataclass(frozen=True)
class PreparedFineTune:
    """A checked plan with its encoder, clips and folds; nothing is trained yet.

    Attributes
    ----------
    plan : FineTunePlan
    protocol : Protocol
    encoder : Encoder
    split : SplitEncoder
        The same model, in two parts.
    clips : list of ReadClip
        Sorted by ``clip_id``.
    classes : tuple of str
    folds : list of Fold
        All of the protocol, or those that the plan names.
    n_folds : int
        Of the protocol.
    """

    plan: FineTunePlan
    protocol: Protocol
    encoder: Encoder[Any]
    split: SplitEncoder
    clips: list[ReadClip]
    classes: tuple[str, ...]
    folds: list[Fold]
    n_folds: int

    @property
    def y(self) -> NDArray[np.int64]:
        """Class numbers, shape (N,)."""
        return np.array([self.classes.index(clip.label) for clip in self.clips], dtype=np.int64)

    @property
    def half(self) -> bool:
        """Whether the trained layers of the encoder run in bfloat16."""
        if self.plan.precision != "auto":
            return self.plan.precision == "bfloat16"
        device = self.split.device
        # Older devices (V100, T4) have no arithmetic for it: torch computes in float32 and rounds, which is slower.
        return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= _AMPERE

    def recipe(self) -> dict[str, Any]:
        """Give everything that training depends on, as plain values."""
        clips = canonical_json([clip.facts() for clip in self.clips])
        return {
            "settings": self.plan.settings(),
            "view": CLEAN if self.plan.augment == CLEAN else View(self.plan.augment, 0).name.partition(":")[0],
            "encoder": self.encoder.spec.identity(),
            "protocol": self.protocol.name,
            "classes": list(self.classes),
            "clips": hashlib.sha256(clips.encode()).hexdigest(),
            "precision": "bfloat16 in the layers that learn, float32 elsewhere" if self.half else "float32",
            "device": self.split.device.type,
            "versions": _versions(),
        }


def prepare(plan: FineTunePlan) -> PreparedFineTune:
    """Open what a plan names and check that it can be done.

    Validation clips are those of the fold: published, or drawn by the protocol. ``loso24``, whose heads are always
    selected nested, has drawn ones too (two men, two women), and they choose the epoch here: five inner folds would be
    five more fine-tunings per fold.

    Raises
    ------
    UsageError
        For settings, layers or folds there are not.
    EncoderError
        For an encoder that cannot be loaded or split.
    MediaError
        Where clips cannot be read.
    LeakError, ProtocolError
        Where the folds do not hold.
    """
    check_plan(plan)
    protocol = get_protocol(plan.protocol)
    check_allowed(protocol, allow_leak=plan.allow_leak)
    device = resolve_device(plan.device)
    _check_stream(plan.encoder)
    encoder = load_encoder(plan.encoder, device)
    split = SplitEncoder(encoder, plan.unfreeze_top)
    present = {clip.label for clip in plan.manifest}
    classes = tuple(label for label in plan.manifest.classes if label in present)
    if len(classes) < 2:
        raise CorpusError(f"corpus '{plan.manifest.corpus}' has clips of {len(classes)} class; a head needs two")
    clips = read_all(plan.manifest, plan.root, encoder)
    folds = make_folds(protocol, clips, allow_leak=plan.allow_leak)
    protocol = mark_unchecked(settled(protocol, folds, clips, allow_leak=plan.allow_leak), clips)
    return PreparedFineTune(plan, protocol, encoder, split, clips, classes, _chosen(plan, folds), len(folds))


def _check_stream(encoder: str) -> None:
    if encoder == "logmel" or stream_of(encoder) != "audio":
        raise EncoderError(
            f"'{encoder}' is no speech encoder with layers to train; expected a model of one of the families"
            f" {', '.join(SPLITTABLE)}, such as wavlm-large or a folder"
        )


def _chosen(plan: FineTunePlan, folds: list[Fold]) -> list[Fold]:
    if plan.folds is None:
        return folds
    if absent := [number for number in plan.folds if not 0 <= number < len(folds)]:
        raise UsageError(
            f"protocol '{plan.protocol}' has no fold {absent[0]}; choose from 0 to {len(folds) - 1}, with commas"
            " between"
        )
    return [folds[number] for number in sorted(plan.folds)]


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "torch", "transformers", "soxr")}
    return {"ravfeat": __version__, "python": platform.python_version()} | libraries
