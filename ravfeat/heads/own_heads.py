"""Make heads of a user's own code: tell a scikit-learn classifier from a torch network, and give either its class."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ravfeat.documents import check_value
from ravfeat.errors import PluginError, UsageError
from ravfeat.escape import printable
from ravfeat.heads.classifier import ClassifierFactory, ClassifierHead, copies_of
from ravfeat.heads.module import ModuleHead
from ravfeat.heads.own_code import OwnCode, OwnRecord
from ravfeat.plugins import Brought, running_brought

__all__ = ["absent_kind", "own_kind"]

_EXPECTED = (
    "expected a scikit-learn classifier, a function without arguments that gives one (or one and its grid), or a"
    " function or class that takes n_layers, dim and n_classes and gives a torch.nn.Module"
)


def own_kind(brought: Brought, name: str) -> type[OwnCode]:
    """Make the class of a head from what a user's code gives.

    Parameters
    ----------
    brought : Brought
    name : str
        Of the head, in files and tables.

    Raises
    ------
    PluginError
        Where it is neither a classifier nor a network, or cannot be made.
    """
    value = brought.value
    if _takes_sizes(value):
        factory: Any = value
        return type("OwnNetwork", (ModuleHead,), {"name": name, "brought": brought, "factory": staticmethod(factory)})
    classifiers = _classifiers(brought)
    about = {"name": name, "brought": brought, "factory": classifiers, "seeded": classifiers.seeded}
    return type("OwnClassifier", (ClassifierHead,), about)


def absent_kind(record: Mapping[str, Any], name: str) -> type[OwnCode]:
    """Make the class of a head that a recipe names, without its code: whatever trains or restores it is refused.

    Raises
    ------
    UsageError
        Where the record is not what `OwnCode.record` gives.
    """
    known = check_value(record, OwnRecord, f"the recorded head '{printable(name)}'", UsageError, "make it again")
    brought = Brought(None, known["reference"], known["source_sha256"], known["versions"])
    base = ModuleHead if known["kind"] == "network" else ClassifierHead
    return type("AbsentHead", (base,), {"name": name, "brought": brought, "seeded": known["seeded"]})


def _takes_sizes(value: Any) -> bool:
    """Whether something is a factory of networks: it has to be given three sizes."""
    if inspect.isclass(value) and issubclass(value, nn.Module):
        return True
    if hasattr(value, "fit") or not callable(value):
        return False
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):  # of a builtin that has none
        return False
    return len([one for one in parameters if one.default is one.empty and one.kind in _POSITIONAL]) == len(_SIZES)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_SIZES = ("n_layers", "dim", "n_classes")


def _classifiers(brought: Brought) -> ClassifierFactory:
    """Make the factory of a classifier: from its class, an unfitted one, or a function."""
    value, reference = brought.value, brought.reference
    grid = getattr(value, "grid", None)
    if not hasattr(value, "fit") or inspect.isclass(value):
        if not callable(value):
            raise PluginError(f"'{printable(reference)}' is {_kind_of(value)}; {_EXPECTED}")
        with running_brought(reference, "being called without arguments"):
            first = value()
        estimator, grid = first if _is_pair(first) else (first, grid)
        if not hasattr(estimator, "fit") or inspect.isclass(estimator) or isinstance(estimator, nn.Module):
            raise PluginError(f"'{printable(reference)}' gives {_kind_of(estimator)} without arguments; {_EXPECTED}")
    return ClassifierFactory.of(_maker(value), grid, reference, lambda: _maker(brought.anew()))


def _maker(value: Any) -> Callable[[], Any]:
    """Give what makes a classifier, of its class, an unfitted one, or a function."""
    if hasattr(value, "fit") and not inspect.isclass(value):
        return copies_of(value)

    def make() -> Any:
        made = value()
        return made[0] if _is_pair(made) else made

    return make


def _is_pair(made: Any) -> bool:
    return isinstance(made, tuple) and len(made) == 2


def _kind_of(value: Any) -> str:
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    return f"a value of the type '{type(value).__name__}'"
