"""A table of single clips: what was acted, and what every system says."""

import math
from collections.abc import Sequence

import numpy as np

from ravfeat.demo.page.answers import percent, stream_names
from ravfeat.report.clips.findings import Recorded, RecordedClip
from ravfeat.report.drawings.labels import conditions_of
from ravfeat.report.page.cells import NONE
from ravfeat.report.page.document import Column, Table, TableRow

__all__ = ["clip_table"]


def clip_table(recorded: Recorded, clips: Sequence[RecordedClip], title: str) -> Table:
    """One row for each clip: the most probable emotion of each system, with its probability."""
    names = stream_names([entry.system for entry in recorded.entries])
    columns = (
        Column("Clip"),
        Column("Actor"),
        Column("Fold", numeric=True),
        Column("Acted"),
        *(Column(f"{name[:1].upper()}{name[1:]} says") for name in names),
        Column("Voice and face apart (bits)", numeric=True),
    )
    rows = tuple(_row(recorded, clip) for clip in clips)
    return Table(f"{title}. {conditions_of(recorded.entries)}", columns, rows, folded="As a table")


def _row(recorded: Recorded, clip: RecordedClip) -> TableRow:
    first = recorded.entries[0]
    classes = first.probs.classes
    said = [f"{classes[int(np.argmax(probs))]} {percent(float(probs.max()))}" for probs in clip.probs]
    apart = NONE if math.isnan(clip.divergence) else f"{clip.divergence:.2f}"
    cells = (clip.clip_id, clip.actor, str(clip.fold), classes[clip.truth], *said, apart)
    return TableRow(cells, first.leaky)
