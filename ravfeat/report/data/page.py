"""The page of ``ravfeat explore``: everything that is known of a corpus before a head is trained, in one file."""

from pathlib import Path

from ravfeat.explore.doubts import times
from ravfeat.explore.exploration import Exploration
from ravfeat.files import replace_file
from ravfeat.progress import track_progress
from ravfeat.report.data.features import cache_section
from ravfeat.report.data.sections import contents_section, copies_section, doubts_section, sound_section
from ravfeat.report.drawings.style import render
from ravfeat.report.page.document import Document
from ravfeat.report.page.html import render_html

__all__ = ["data_document", "write_data_page"]


def write_data_page(found: Exploration, page: Path) -> Path:
    """Write what was found as one HTML file that loads nothing; made whole or not at all."""
    document = data_document(found)
    figures = track_progress(document.figures(), desc="figures", unit="figure", leave=False, delay=1.0)
    drawings = {figure.name: render(figure.canvas) for figure in figures}
    page.parent.mkdir(parents=True, exist_ok=True)
    replace_file(page, render_html(document, drawings).encode())
    return page


def data_document(found: Exploration) -> Document:
    """Compose the page."""
    listing = found.listing
    sections = [
        contents_section(listing, found.counts, found.fits),
        doubts_section(found.doubts, _looked_for(found)),
        *([sound_section(found.sounds, listing)] if found.sounds else []),
        copies_section(found.pairs, _compared(found)),
        *(cache_section(facts, listing, number) for number, facts in enumerate(found.caches, start=1)),
    ]
    grave = [doubt for doubt in found.doubts if doubt.grave]
    n_actors = len(set(listing.actors))
    summary = (
        f"{times(len(listing), 'clip')}, {times(len(found.counts.by_label), 'class', 'classes')},"
        f" {times(n_actors, 'actor')}.",
        f"{times(len(found.doubts), 'thing')} to look at, {len(grave)} of them grave.",
    )
    warnings = (
        [("Synthetic.", "This corpus was generated; nothing here says anything about people.")]
        if listing.synthetic
        else []
    )
    if found.refused:
        warnings.append(("Refused.", f"'ravfeat extract' does not take this table: {found.refused}"))
    warnings += [("Grave.", f"{doubt.sentence}.") for doubt in grave[:3]]
    return Document(f"Explore {listing.corpus}", summary, tuple(warnings), tuple(sections))


def _looked_for(found: Exploration) -> str:
    parts = ["Counts, names and columns of all clips were looked at"]
    if found.sounds is not None:
        parts.append(f"the sound of {found.sounds.asked}")
    elif not found.caches:
        parts.append("no sound, since no file was decoded")
    return f"{', '.join(parts)}."


def _compared(found: Exploration) -> str:
    ways = []
    if any(found.listing.digests):
        ways.append("samples (their digests)")
    if found.sounds is not None:
        ways.append(f"the sound of {times(len(found.sounds.clips), 'clip')}, whatever its gain, shift, noise or rate")
    ways += [
        f"the features of {times(facts.n_looked, 'clip')} ({facts.name}, layer {facts.layer})" for facts in found.caches
    ]
    return f"Compared by {'; '.join(ways)}." if ways else "Nothing was decoded, and nothing compared."
