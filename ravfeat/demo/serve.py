"""Serve the page of a published head: load its heads and models once, answer until the block ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ravfeat.demo.answer import MAX_S, SLACK_S, Answerer
from ravfeat.demo.app import Running, running
from ravfeat.demo.facts import facts_of
from ravfeat.published import load_head
from ravfeat.published.prepare import sources_to_load

__all__ = ["serving"]


@contextmanager
def serving(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    device: str = "auto",
    models: Mapping[str, str] = {},
    detector_models: Sequence[Path] = (),
    offline: bool = False,
) -> Iterator[Running]:
    """Serve a head.

    Parameters
    ----------
    folder : Path
        A published head; refitted heads answer where it has them, else the mean over the folds'.
    host, port
        As for `ravfeat.demo.app.running`.
    device, models, detector_models, offline
        As for `ravfeat.published.PublishedHead.predictor`.

    Raises
    ------
    RavfeatError
        Where the head or a model of it is not to be had, or the server cannot start.
    """
    head = load_head(folder, sources=sources_to_load(folder, None))
    streams = sorted({part.system.stream for part in head.parts})
    with (
        head.predictor(
            device=device, models=models, detector_models=detector_models, offline=offline, max_s=MAX_S + SLACK_S
        ) as predictor,
        running(Answerer(predictor, facts_of(head)), streams, host=host, port=port) as server,
    ):
        yield server
