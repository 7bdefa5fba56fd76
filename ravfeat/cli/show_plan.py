"""Text of ``ravfeat extract --dry-run``."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.extract.plan import EncoderPlan, ExtractionPlan, PassPlan

__all__ = ["show_plan"]


def show_plan(plan: "ExtractionPlan") -> None:
    """Print the plan of an extraction, in lines that fit 80 columns but for paths.

    Parameters
    ----------
    plan : ExtractionPlan
    """
    for number, planned in enumerate(plan.passes, 1):
        for encoder in planned.encoders:
            echo("\n".join(_encoder_lines(encoder, planned)))
        label = f"time of pass {number}" if len(plan.passes) > 1 else "time"
        echo(f"{label}: {_time(planned)}")
    echo(f"disk: {_disk(plan)}")
    echo("nothing was written")


def _encoder_lines(encoder: "EncoderPlan", planned: "PassPlan") -> Iterator[str]:
    from ravfeat.resources import format_size

    yield f"{encoder.path}"
    kept = f", {encoder.n_kept} kept of unfinished shards" if encoder.n_kept else ""
    failed = f", {encoder.n_failed} failed before and tried again" if encoder.n_failed else ""
    yield f"  clips    {encoder.n_new - encoder.n_kept} to encode, {encoder.n_stored} stored{kept}{failed}"
    yield f"  length   {_media(encoder, planned)}"
    yield f"  shards   {len(encoder.shards)} to write, {encoder.n_present} there"
    yield f"  size     {format_size(encoder.missing.total)}"
    yield f"  batches  {_batches(encoder)} on {encoder.device}"
    if encoder.shards:
        yield f"  memory   {_memory(encoder)}"


def _media(encoder: "EncoderPlan", planned: "PassPlan") -> str:
    from ravfeat.extract.size import ASSUMED_S

    parts = [f"{_duration(encoder.media_s)} of {'video' if planned.stream == 'face' else 'sound'}"]
    if planned.stream == "face":
        measured = "measured" if planned.sample else "assumed"
        n_pictures = round(encoder.media_s * planned.frame_rate_hz)
        parts.append(f"about {n_pictures} pictures ({planned.frame_rate_hz:.4g} a second, {measured})")
    if encoder.n_unknown:
        parts.append(f"{encoder.n_unknown} clips of unknown length as {ASSUMED_S:g} s each")
    return ", ".join(parts)


def _batches(encoder: "EncoderPlan") -> str:
    if encoder.batching == "pieces":
        return f"at most {encoder.limits.frames} pictures"
    return f"at most {encoder.limits.clips} clips or {encoder.limits.seconds:g} s"


def _memory(encoder: "EncoderPlan") -> str:
    from ravfeat.resources import format_size

    if not encoder.batch_fits:
        advice = "--batch-pictures" if encoder.batching == "pieces" else "--batch-seconds"
        return f"the largest batch does not fit on {encoder.device}; give a smaller {advice}"
    if encoder.batch_bytes is None:
        return "unknown: measured only where torch computes on a CUDA device"
    return f"{format_size(encoder.batch_bytes)} on {encoder.device}, measured on the largest batch"


def _time(planned: "PassPlan") -> str:
    if planned.seconds is None or planned.sample is None:
        return "nothing to encode" if planned.seconds == 0 else "not known: no clip of a few could be encoded"
    sample = planned.sample
    speed = f"{sample.media_s / sample.seconds:.3g} x real time"
    return f"about {_duration(planned.seconds)}, {speed} over {sample.n_clips} clips in {sample.seconds:.1f} s"


def _disk(plan: "ExtractionPlan") -> str:
    from ravfeat.resources import format_size

    free = "free space unknown" if plan.free_bytes is None else f"{format_size(plan.free_bytes)} free"
    return f"{format_size(plan.missing.total)} to write at {plan.out}, {free}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=max(1, round(seconds)) if seconds else 0))
