"""Plan of a fine-tuning: encoder, layers to train, head, protocol, optimisation.

The study fine-tuned the top 3 of 12 layers of HuBERT-base and the top 6 of 24 of WavLM-large. Its rates, lengths and
batches are not known to us: those below are what fine-tuning of such encoders usually takes (a small rate for the
encoder, a larger one for the new head, warm-up, decay), fixed before any test row was looked at.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ravfeat.errors import UsageError
from ravfeat.heads.neural import NeuralHead
from ravfeat.heads.registry import HEADS, get_head
from ravfeat.heads.schedule import Schedule
from ravfeat.manifest import Manifest
from ravfeat.media.augment import CLEAN, VIEWS

__all__ = ["Context", "FineTunePlan", "Precision", "check_plan"]

Context = Literal["encoder", "clip"]
"""What the trained layers attend to: all frames that the encoder computes (Whisper: 30 s, silence and all), or the
clip's frames alone. The same for encoders that do not pad."""


Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class FineTunePlan:
    """Encoder, layers to train, head, protocol and optimisation of a fine-tuning.

    Attributes
    ----------
    manifest : Manifest
    root : Path
        What the manifest's paths are relative to.
    encoder : str
        As for `ravfeat.encoders.registry.load_encoder`.
    unfreeze_top : int
        Layers of the encoder to train, from the top; with them the norm after the last one.
    protocol : str
    head : str
        A trained network among the heads: ``attentive`` or ``attentive-sum``.
    epochs : int
        Length of the schedule; the best epoch on validation actors is kept.
    batch_clips : int
        Clips per step.
    lr, head_lr : float
        Peak learning rates of the encoder's layers and of the head.
    weight_decay : float
        Decoupled, as in AdamW.
    label_smoothing : float
    warm_up : float
        Share of all steps in which the rates rise; after it they fall to zero in a straight line.
    clip_norm : float
        Longest gradient of all parameters together.
    augment : str
        View of every training clip, drawn anew each epoch; ``clean`` for none.
    context : {"encoder", "clip"}
    seeds : int
        Trained with seeds 0 to ``seeds - 1``.
    folds : tuple of int, optional
        Those to train and test; all by default.
    device : str
    precision : {"auto", "float32", "bfloat16"}
        Of the trained layers of the encoder; all else is float32. ``auto``: bfloat16 on a CUDA device that computes in
        it, float32 elsewhere.
    allow_leak : bool
    keep_weights : bool
        Keep what was learned, per fold.
    """

    manifest: Manifest
    root: Path
    encoder: str
    unfreeze_top: int
    protocol: str = "ravdess6"
    head: str = "attentive"
    epochs: int = 10
    batch_clips: int = 16
    lr: float = 3e-5
    head_lr: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    warm_up: float = 0.1
    clip_norm: float = 1.0
    augment: str = "published"
    context: Context = "encoder"
    seeds: int = 1
    folds: tuple[int, ...] | None = None
    device: str = "cpu"
    precision: Precision = "auto"
    allow_leak: bool = False
    keep_weights: bool = False

    @property
    def head_name(self) -> str:
        """What the system's head is called: fine-tuned, how deep, and under which head where it is not the default."""
        other = "" if self.head == "attentive" else f"-{self.head}"
        return f"fine-tuned-top{self.unfreeze_top}{other}"

    def settings(self) -> dict[str, Any]:
        """Every setting that training depends on, except data, encoder and machine; plain values."""
        # The precision is recorded as what it comes to, with the device.
        elsewhere = {"manifest", "root", "encoder", "folds", "device", "precision", "allow_leak", "seeds"}
        settings = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in elsewhere}
        # The plan has a schedule of its own; what else a head can be set to makes its network.
        unused = {"layers", "device", *(field.name for field in fields(Schedule))}
        head = {name: value for name, value in asdict(self.network_head()).items() if name not in unused}
        return settings | {"head_settings": head}

    def network_head(self) -> NeuralHead:
        """Build the head whose network is put on the encoder.

        Raises
        ------
        UsageError
            Where that head is no trained network, or there is none of that name.
        """
        heads = {name: get_head(name) for name in HEADS}
        # What an encoder that is trained gives are frames of one stream: no several streams, no pooled statistics.
        networks = {
            name: head
            for name, head in heads.items()
            if isinstance(head, NeuralHead) and not head.several_streams and not head.reading.statistics
        }
        head = networks.get(self.head)
        if head is None:
            raise UsageError(f"no head '{self.head}' to train with an encoder; choose from {', '.join(networks)}")
        return head


def check_plan(plan: FineTunePlan) -> None:
    """Refuse settings that cannot be, before anything is opened.

    Raises
    ------
    UsageError
    """
    plan.network_head()
    if plan.precision not in get_args(Precision):
        raise UsageError(f"no precision '{plan.precision}'; choose from {', '.join(get_args(Precision))}")
    if plan.augment not in (CLEAN, *VIEWS):
        raise UsageError(f"no view '{plan.augment}'; choose from {', '.join((CLEAN, *VIEWS))}")
    counts = {"epochs": plan.epochs, "batch_clips": plan.batch_clips, "seeds": plan.seeds}
    rates = {"lr": plan.lr, "head_lr": plan.head_lr, "clip_norm": plan.clip_norm}
    for name, value in counts.items():
        if value < 1:
            raise UsageError(f"{name} must be at least 1, got {value}")
    for name, rate in rates.items():
        if not 0 < rate < float("inf"):
            raise UsageError(f"{name} must be a number above 0, got {rate}")
    if plan.folds is not None and len(set(plan.folds)) < max(1, len(plan.folds)):
        raise UsageError(f"expected every fold once, got {', '.join(map(str, plan.folds)) or 'none'}")
