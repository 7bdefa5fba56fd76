"""Registry of heads by name, and restoring trained ones."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from ravfeat.documents import check_value
from ravfeat.errors import HeadError
from ravfeat.heads.attentive import AttentiveHead
from ravfeat.heads.attentive_sum import AttentiveSumHead
from ravfeat.heads.base import Head, Model
from ravfeat.heads.block_kernel import BlockKernelHead
from ravfeat.heads.joint import JointHead
from ravfeat.heads.joint_kernel import JointKernelHead
from ravfeat.heads.kernel import KernelHead
from ravfeat.heads.lda import LdaHead
from ravfeat.heads.logreg import LogregHead
from ravfeat.heads.mlp import MlpHead
from ravfeat.heads.svm import SvmHead
from ravfeat.short_repr import short_repr

__all__ = ["HEADS", "SeveralStreams", "get_head", "head_of", "make_head", "restore", "several_streams"]

HEADS: dict[str, Callable[..., Head]] = {
    AttentiveHead.name: AttentiveHead,
    AttentiveSumHead.name: AttentiveSumHead,
    LogregHead.name: LogregHead,
    KernelHead.name: KernelHead,
    BlockKernelHead.name: BlockKernelHead,
    SvmHead.name: SvmHead,
    LdaHead.name: LdaHead,
    MlpHead.name: MlpHead,
    JointHead.name: JointHead,
    JointKernelHead.name: JointKernelHead,
}


@short_repr
@dataclasses.dataclass(frozen=True)
class SeveralStreams:
    """What a head that reads several streams at once says of itself, as attributes of its class.

    Attributes
    ----------
    stream : str
        Of its predictions; one of `ravfeat.schema.SEVERAL_STREAMS`.
    streams : tuple of str
        Those that it reads, in its order; empty for any two or more, in the order in which they are given.
    reads_views : bool
        Whether views of a stream may train it, each beside the other streams of its clip.
    several_of_last : bool
        Whether it reads several caches of the last of its streams, those that are concatenated for other heads too.
    """

    stream: str
    streams: tuple[str, ...] = ()
    reads_views: bool = False
    several_of_last: bool = False


def several_streams(name: str) -> SeveralStreams | None:
    """Tell how a head reads several streams; None for one that reads one, and for a name that no head has."""
    kind: Any = HEADS.get(name)
    if not getattr(kind, "several_streams", False):
        return None
    names = [field.name for field in dataclasses.fields(SeveralStreams)]
    return SeveralStreams(**{name: getattr(kind, name) for name in names if hasattr(kind, name)})


def get_head(name: str, /, **settings: Any) -> Head:
    """Build a head from its name and settings.

    Parameters
    ----------
    name : str
        A key of `HEADS`.
    **settings
        Fields of that head. ``device`` is accepted for every head and ignored by those that
        compute on the CPU only.

    Raises
    ------
    HeadError
        If there is no such head, or it has no such setting, or one of another type or out of its bounds.

    Examples
    --------
    >>> get_head("logreg", layers=(3,)).name
    'logreg'
    """
    if name not in HEADS:
        raise HeadError(f"no head '{name}'; choose from {', '.join(HEADS)}")
    return make_head(HEADS[name], name, settings)


def make_head(kind: Any, name: str, settings: Mapping[str, Any]) -> Head:
    """Build a head from its class and settings; see `get_head`.

    Raises
    ------
    HeadError
        If it has no such setting, or one of another type or out of its bounds.
    """
    settings = dict(settings)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if "device" not in fields:
        settings.pop("device", None)
    unknown = [key for key in settings if key not in fields]
    if unknown:
        raise HeadError(f"head '{name}' has no setting {', '.join(unknown)}; choose from {', '.join(fields)}")
    check_value(settings, kind, f"the settings of head '{name}'", HeadError, "choose another value")
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    head: Head = kind(**plain)
    return head


def restore(arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any], *, device: str = "cpu") -> Model:
    """Rebuild a trained model from its arrays and recipe.

    Raises
    ------
    HeadError
        If the recipe names no head of this version.
    """
    return head_of(recipe, device=device).restore(arrays, recipe)


def head_of(recipe: Mapping[str, Any], *, device: str = "cpu", kinds: Mapping[str, Any] = HEADS) -> Head:
    """Build the head that a recipe names, one of `kinds`, with its settings.

    Raises
    ------
    HeadError
        As `get_head` does.
    """
    if "device" in recipe["settings"]:
        raise HeadError(f"the settings of head '{recipe['head']}' name a device, which is no part of a recipe")
    if recipe["head"] not in kinds:
        raise HeadError(f"no head '{recipe['head']}'; choose from {', '.join(kinds)}")
    return make_head(kinds[recipe["head"]], recipe["head"], {**recipe["settings"], "device": device})
