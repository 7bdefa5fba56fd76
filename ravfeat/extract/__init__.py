"""A manifest through a frozen encoder into a cache."""

from ravfeat.extract.request import Extraction, ExtractResult
from ravfeat.extract.run import extract_together, run_extraction

__all__ = ["ExtractResult", "Extraction", "extract_together", "run_extraction"]
