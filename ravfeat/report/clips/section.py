"""The section of recorded predictions: single clips, drawn as for a new recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ravfeat.corpora.terms import known_corpus
from ravfeat.demo.page.answers import stream_names
from ravfeat.report.clips.audio import players_of
from ravfeat.report.clips.cards import cards_of
from ravfeat.report.clips.findings import Recorded, RecordedClip, recorded_of
from ravfeat.report.clips.tables import clip_table
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Section

__all__ = ["clips_section"]


def clips_section(graded: Sequence[Graded], audio: Path | None = None) -> Section:
    """Show clips that are surely right, surely wrong, and disputed between voice and face.

    Parameters
    ----------
    graded : sequence of Graded
    audio : Path, optional
        Folder with the recordings; they are put into the page. See `ravfeat.report.clips.audio.players_of`.
    """
    recorded = recorded_of(graded)
    players = players_of([clip.clip_id for clip in recorded.clips], audio) if audio is not None else {}
    by = _main_words(recorded)
    parts = (
        _part(recorded, "right", f"Most surely right, by {by}", recorded.right, players),
        _part(recorded, "wrong", f"Most surely wrong, by {by}", recorded.wrong, players),
        _part(recorded, "disputed", "Most disputed between voice and face", recorded.disputed, players),
    )
    return Section(
        "clips",
        "Recorded predictions",
        paragraphs=(_words(recorded), *_terms(recorded.entries[0], players)),
        subsections=tuple(part for part in parts if part is not None),
    )


def _main_words(recorded: Recorded) -> str:
    name = stream_names([entry.system for entry in recorded.entries])[recorded.main]
    return "voice and face together" if name == "together" and recorded.disputed else f"the {name}"


def _part(
    recorded: Recorded, name: str, title: str, clips: Sequence[RecordedClip], players: Mapping[str, str]
) -> Section | None:
    if not clips:
        return None
    return Section(
        f"clips-{name}",
        title,
        cards=cards_of(recorded, clips, players),
        tables=(clip_table(recorded, clips, title),),
        leaky=recorded.entries[0].leaky,
    )


def _words(recorded: Recorded) -> str:
    main = recorded.entries[recorded.main]
    apart = ""
    if recorded.disputed:
        apart = (
            " Voice and face are as far apart as the Jensen-Shannon divergence of their probabilities says: 0 bits"
            " where they are the same, 1 bit where nothing is possible in both."
        )
    return (
        f"Single test clips of run {main.run.name} ({main.conditions}), each by heads that did not learn from it;"
        f" probabilities are calibrated. These are extremes, chosen by their labels: they do not say how often the"
        f" heads are right.{apart}"
    )


def _terms(entry: Graded, players: Mapping[str, str]) -> tuple[str, ...]:
    """Say whose terms bind a page that holds recordings."""
    if not players:
        return ()
    if entry.synthetic:
        return (
            "The sounds of these clips are part of this file. They were generated: no recordings of people, no terms.",
        )
    terms = f"ravfeat does not know the terms of the corpus '{entry.corpus}': read them before you pass this file on."
    if known := known_corpus(entry.corpus):
        terms = (
            f"They are from {known.title}, {known.licence_title} ({known.source}): its terms bind. {known.citation}"
            " Changed here: mono, 16 kHz."
        )
    return (f"The recordings of these clips are part of this file: whoever passes it on passes them on. {terms}",)
