"""A clip as a card: what was acted, what is said of it in a sentence and in bars, and its recording where asked for.

Sentence and bars are those of the page that answers for a new recording.
"""

import math
from collections.abc import Mapping, Sequence

from ravfeat.demo.page import answers_of, bars
from ravfeat.demo.page.sentence import sentence
from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction, SystemPrediction, WindowPrediction
from ravfeat.report.clips.findings import Recorded, RecordedClip
from ravfeat.report.page.document import Card

__all__ = ["cards_of", "facts_of"]


def cards_of(recorded: Recorded, clips: Sequence[RecordedClip], players: Mapping[str, str]) -> tuple[Card, ...]:
    """Make a card for each clip; `players` holds the recordings as data URIs by clip id."""
    return tuple(_card(recorded, clip, players.get(clip.clip_id, "")) for clip in clips)


def _card(recorded: Recorded, clip: RecordedClip, audio: str) -> Card:
    prediction = _prediction(recorded, clip)
    classes = prediction.classes
    answers = answers_of(prediction.summary)
    named = answers[0].verdict(classes).label
    drawn = bars(
        classes, answers, named=named, caption=f"Probability of each emotion, {clip.clip_id}", truth=classes[clip.truth]
    )
    return Card(printable(clip.clip_id), facts_of(recorded, clip), sentence(prediction), drawn, audio)


def facts_of(recorded: Recorded, clip: RecordedClip) -> str:
    """Say what was acted, by whom, in which fold, and how far voice and face are apart."""
    facts = [f"acted {recorded.entries[0].probs.classes[clip.truth]}", f"actor {clip.actor}", f"fold {clip.fold}"]
    if not math.isnan(clip.divergence):
        facts.append(f"voice and face {clip.divergence:.2f} bits apart")
    return printable(" · ".join(facts))


def _prediction(recorded: Recorded, clip: RecordedClip) -> FilePrediction:
    said = zip(recorded.entries, clip.probs, strict=True)
    systems = tuple(SystemPrediction(entry.system, probs) for entry, probs in said)
    summary = WindowPrediction(math.nan, math.nan, systems)
    return FilePrediction(clip.clip_id, recorded.entries[0].probs.classes, math.nan, (), summary)
