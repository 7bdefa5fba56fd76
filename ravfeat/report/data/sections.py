"""The sections about a corpus: what is there, what is doubtful, how it sounds, which clips are copies."""

from collections.abc import Iterator, Sequence

import numpy as np

from ravfeat.explore.counts import Counts, Cross
from ravfeat.explore.doubts import Doubt, listed, times
from ravfeat.explore.fitting import Fit
from ravfeat.explore.listing import MOST_VALUES, Listing
from ravfeat.explore.recordings import Pair
from ravfeat.explore.sound import MEASURES, Sounds
from ravfeat.report.data.figures import cross_figure, measure_figure
from ravfeat.report.data.tables import cross_table, fit_table, measure_table, pair_table, telling_table
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["contents_section", "copies_section", "doubts_section", "sound_section"]

_MOST_COLUMNS = 30
_SHOWN_CLIPS = 5


def contents_section(listing: Listing, counts: Counts, fits: Sequence[Fit]) -> Section:
    """Say what is there: clips by label, actor, gender and every further column of few values."""
    crosses = [_lying(cross) for cross in counts.crosses]
    drawable = [cross for cross in crosses if len(cross.rows) <= MOST_VALUES and len(cross.columns) <= _MOST_COLUMNS]
    first, rest = drawable[:1], drawable[1:]
    tables = [cross_table(cross) for cross in crosses if cross not in drawable]
    figures = tuple(map(_cross, rest))
    return Section(
        "contents",
        "What is there",
        paragraphs=tuple(_facts(listing, counts)),
        figures=tuple(map(_cross, first)),
        tables=(*tables, *([fit_table(fits)] if fits else [])),
        subsections=(Section("crossed", "Crossed with one another", figures=figures),) if rest else (),
    )


def _lying(cross: Cross) -> Cross:
    """Put the longer side across, as far as a page is wide: figures are flat, and gaps stand in rows."""
    if len(cross.columns) >= len(cross.rows) or len(cross.rows) > _MOST_COLUMNS:
        return cross
    return Cross((cross.names[1], cross.names[0]), cross.columns, cross.rows, cross.counts.T)


def _cross(cross: Cross) -> PageFigure:
    rows, columns = cross.names
    empty = int((cross.counts == 0).sum())
    gaps = f"{times(empty, 'cell')} of {cross.counts.size} without a clip" if empty else "no cell is empty"
    filled = cross.counts[cross.counts > 0]
    return PageFigure(
        name=f"cross-{rows}-{columns}".replace(" ", "-"),
        title=f"Clips by {rows} and {columns}",
        caption=f"Clips by {rows} and {columns}; {gaps}.",
        alt=f"Clips by {rows} and {columns}: from {filled.min()} to {filled.max()} in a filled cell; {gaps}.",
        canvas=cross_figure(cross),
        table=cross_table(cross),
    )


def _facts(listing: Listing, counts: Counts) -> Iterator[str]:
    """Say in sentences how many there are of what."""
    n_actors = len(set(listing.actors))
    genders = ", ".join(f"{n} {gender or 'of unknown gender'}" for gender, n in counts.genders.items())
    classes = ", ".join(f"{label} {n}" for label, n in counts.by_label.items())
    yield f"{times(len(listing), 'clip')} of {times(n_actors, 'actor')} ({genders})."
    many = f"The largest has {counts.imbalance:.1f} times the clips of the smallest."
    yield f"{times(len(counts.by_label), 'class', 'classes')}: {classes}. {many}"
    if counts.lacking:
        some = listed([f"{actor} ({', '.join(labels)})" for actor, labels in counts.lacking.items()], 5)
        yield f"{times(len(counts.lacking), 'actor')} of {n_actors} without clips of a class: {some}."
    else:
        yield "Every actor has clips of every class."
    known = listing.durations_s[np.isfinite(listing.durations_s)]
    if len(known):
        low, middle, high = np.percentile(known, [5, 50, 95])
        most = f"half of the clips are longer than {middle:.2f} s, nine of ten lie between {low:.2f} and {high:.2f} s"
        yield f"{known.sum() / 60:.1f} minutes; {most}."
    further = [f"{name} ({len(set(values))})" for name, values in listing.groupings.items()]
    if further:
        yield f"Further columns of few values: {listed(further, 20)}."
    if listing.left_out:
        yield f"Not taken: {listed([f'{n} {reason}' for reason, n in listing.left_out.items()])}."


def doubts_section(found: Sequence[Doubt], looked_for: str) -> Section:
    """List what a person should look at."""
    title = "Missing and doubtful values"
    if not found:
        return Section("doubts", title, paragraphs=(f"Nothing was found. {looked_for}",))
    words = (
        "What is marked may be as it should be: these are questions, in the order of what a score would suffer from"
        f" first. {looked_for}"
    )
    return Section("doubts", title, paragraphs=(words,), points=tuple(map(_point, found)))


def _point(doubt: Doubt) -> str:
    grave = "GRAVE · " if doubt.grave else ""
    clips = f" {listed(doubt.clips, _SHOWN_CLIPS)}." if doubt.clips else ""
    return f"{grave}{doubt.topic}: {doubt.sentence}.{clips}"


def sound_section(sounds: Sounds, listing: Listing) -> Section:
    """Show loudness, silence and length by class, and what they tell by themselves."""
    labels = [listing.labels[clip.row] for clip in sounds.clips]
    failed = f", {len(sounds.unreadable)} of them in vain" if sounds.unreadable else ""
    looked = f"{times(sounds.asked, 'clip')} of {len(listing)} were decoded{failed}."
    if not labels:
        return Section("sound", "Sound", paragraphs=(looked,))
    words = (
        f"{looked} Loudness is that of the mono mix as it is in the file. Where a measure names the label or the actor"
        " far above chance by itself, heads can learn the recording in place of the voice."
    )
    figures = tuple(_measure(sounds, labels, name) for name in MEASURES)
    table = telling_table({"label": sounds.label_told, "actor": sounds.actor_told}, MEASURES)
    return Section("sound", "Sound", paragraphs=(words,), figures=figures, tables=(table,))


def _measure(sounds: Sounds, labels: Sequence[str], name: str) -> PageFigure:
    values, words = sounds.column(name), MEASURES[name]
    of_class = np.asarray(labels, object)
    medians = ", ".join(f"{label} {np.median(values[of_class == label]):.2f}" for label in sorted(set(labels)))
    return PageFigure(
        name=f"sound-{name.replace('_', '-')}",
        title=f"{words} by class",
        caption=f"{words}: median, half of the clips, nine of ten.",
        alt=f"{words}, median of every class: {medians}.",
        canvas=measure_figure(values, labels, words),
        table=measure_table(values, labels, words),
    )


def copies_section(pairs: Sequence[Pair], looked_for: str) -> Section:
    """List clips that are one recording, or nearly."""
    title = "Copies and near-duplicates"
    if not pairs:
        return Section("copies", title, paragraphs=(f"No two clips were found to be one recording. {looked_for}",))
    across, relabelled = (sum(kind in pair.crosses for pair in pairs) for kind in ("actor", "label"))
    words = (
        f"{times(len(pairs), 'pair')} of clips: {across} of two actors, {relabelled} of two labels. {looked_for} A near"
        " duplicate is a candidate: listen to it."
    )
    return Section("copies", title, paragraphs=(words,), tables=(pair_table(pairs),))
