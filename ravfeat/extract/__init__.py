"""A manifest through a frozen encoder into a cache.

Offers
------
run_extraction, extract_together, ExtractResult, Extraction.
"""

from ravfeat.extract.run import extract_together, run_extraction
from ravfeat.extract.work import Extraction, ExtractResult

__all__ = ["ExtractResult", "Extraction", "extract_together", "run_extraction"]
