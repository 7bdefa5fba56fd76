"""Schema of ``STEM.toml``, the recipe of a trained head, and what must agree within it."""

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from ravfeat.documents import Count, Index, NotEmpty, Text
from ravfeat.errors import HeadError

__all__ = ["HeadDocument", "HeadFormat", "HeadRecipe", "Layers", "NamedHead", "check_recipe"]

Layers = Annotated[list[Index], NotEmpty]

_MAX_CLASSES = 1 << 14
_MAX_LAYERS = 1 << 10
_MAX_WIDTH = 1 << 24
"""Numbers of all layers of one frame; 49 layers of 1280 are 62,720."""


class HeadFormat(TypedDict):
    """What says whether the rest can be read."""

    format: str
    format_version: int


class HeadRecipe(TypedDict):
    """What a head is and was trained on; see `ravfeat.features.statistics.source_of` for the last six."""

    head: str
    settings: dict[str, Any]
    chosen: dict[str, Any]
    seed: Index
    n_classes: Count
    layers: Layers
    dim: Count
    pooled: bool
    blocks: NotRequired[Annotated[list[Count], NotEmpty]]
    also_dims: NotRequired[Annotated[list[Count], NotEmpty]]
    also_layers: NotRequired[list[Layers]]
    also_pooled: NotRequired[list[bool]]


class HeadName(TypedDict):
    """What says which head it is."""

    head: str


class NamedHead(TypedDict):
    """``STEM.toml``, as far as it names the head: the fields of its recipe are those of that head."""

    recipe: HeadName


class HeadDocument(TypedDict):
    """``STEM.toml``."""

    recipe: HeadRecipe
    layer_weights: NotRequired[dict[Text, float]]


def check_recipe(recipe: HeadRecipe, *, concatenated: bool, several_streams: bool) -> None:
    """Refuse a recipe whose fields contradict each other.

    Parameters
    ----------
    recipe : HeadRecipe
    concatenated, several_streams : bool
        Whether heads of its kind read features of concatenated caches, and of several streams.

    Raises
    ------
    HeadError
        Naming the field.
    """
    if not 2 <= recipe["n_classes"] <= _MAX_CLASSES:
        raise HeadError(f"n_classes is {recipe['n_classes']}, expected 2 to {_MAX_CLASSES}")
    also = [recipe.get(name) for name in ("also_dims", "also_layers", "also_pooled")]
    if len({None if streams is None else len(streams) for streams in also}) != 1:  # type: ignore[arg-type]
        raise HeadError("also_dims, also_layers and also_pooled must name the same streams")
    if "also_dims" in recipe and not several_streams:
        raise HeadError(f"also_dims names further streams, and the head '{recipe['head']}' reads one")
    if "blocks" in recipe and (not concatenated or sum(recipe["blocks"]) != recipe["dim"]):
        raise HeadError(f"blocks is {recipe['blocks']}, and the head reads {recipe['dim']} dimensions of one cache")
    streams = [(recipe["layers"], recipe["dim"])]
    streams += zip(recipe.get("also_layers", []), recipe.get("also_dims", []), strict=True)
    for layers, _ in streams:
        if len(set(layers)) != len(layers):
            raise HeadError(f"layers is {layers}, expected each layer once")
    n_layers, width = sum(len(layers) for layers, _ in streams), sum(len(layers) * dim for layers, dim in streams)
    if n_layers > _MAX_LAYERS or width > _MAX_WIDTH:
        raise HeadError(
            f"layers and dim are {n_layers} layers with {width} numbers a frame, expected at most {_MAX_LAYERS} with"
            f" {_MAX_WIDTH}"
        )
