"""HTML of a prediction: sentence, bars, timeline, layer weights, limits; for the demo and for reports.

Pure functions from values to markup: no server, no file, no script. Every class and id begins with ``rv-``. Texts from
outside (labels, names of files, reasons) are escaped by `markupsafe`, which refuses nothing and trusts nothing.
"""

from ravfeat.demo.page.answers import Answer, answers_of, of_streams, sure_from
from ravfeat.demo.page.bars import bars
from ravfeat.demo.page.document import document, page, stylesheet
from ravfeat.demo.page.facts import HeadFacts, LearnedLayers, Score
from ravfeat.demo.page.timeline import Frame

__all__ = [
    "Answer",
    "Frame",
    "HeadFacts",
    "LearnedLayers",
    "Score",
    "answers_of",
    "bars",
    "document",
    "of_streams",
    "page",
    "stylesheet",
    "sure_from",
]
