"""Packages that are functions too."""

import inspect
import sys
from types import ModuleType

import pytest

import ravfeat.audit
import ravfeat.extract
from ravfeat.api.extract import extract
from ravfeat.callable_module import make_callable


def test_the_package_stays_a_package_and_shows_the_signature_of_its_function() -> None:
    assert isinstance(ravfeat.extract, ModuleType)
    assert inspect.signature(ravfeat.extract) == inspect.signature(extract)
    assert ravfeat.extract.extract_together.__module__ == "ravfeat.extract.run"
    assert callable(ravfeat.audit)


def test_only_what_is_imported_can_be_made_callable() -> None:
    with pytest.raises(KeyError):
        make_callable("ravfeat.nowhere")
    assert "ravfeat.nowhere" not in sys.modules
