"""Packages that are called like a function: ``ravfeat.extract(...)``, where ``ravfeat.extract`` is a package too."""

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


class _CallableModule(ModuleType):
    """A package that is a function as well, which lies in ``ravfeat/api`` under the same name."""

    def _function(self) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(import_module(f"ravfeat.api.{name}"), name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function; ``help(ravfeat.api.NAME)`` describes it."""
        return self._function()(*args, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        """What editors show."""
        return inspect.signature(self._function())


def make_callable(package: str) -> None:
    """Let a package be called as the function of the same name in ``ravfeat/api``, which is imported by the call."""
    sys.modules[package].__class__ = _CallableModule
