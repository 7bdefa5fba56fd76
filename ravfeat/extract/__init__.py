"""Feature extraction: run frozen encoders over the clips of a manifest and write a cache."""

from ravfeat.callable_module import make_callable
from ravfeat.extract.request import Extraction, ExtractResult
from ravfeat.extract.run import extract_together, run_extraction

__all__ = ["ExtractResult", "Extraction", "extract_together", "run_extraction"]

make_callable(__name__)
