"""A manifest through a frozen encoder into a cache.

Offers
------
run_extraction, ExtractResult, Extraction.
"""

from ravfeat.extract.run import Extraction, ExtractResult, run_extraction

__all__ = ["ExtractResult", "Extraction", "run_extraction"]
