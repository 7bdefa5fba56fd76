"""What ``ravfeat extract`` would use on this machine without options."""

from typing import Any

from ravfeat.doctor.finding import Finding

__all__ = ["check_device", "check_readers"]


def check_device(torch: Any) -> list[Finding]:
    """Report device, precision and batch limits of an extraction.

    Parameters
    ----------
    torch : module or None
        None where it cannot be imported.
    """
    from ravfeat.extract.batch_plan import BatchLimits

    if torch is None:
        text = "encoders need torch; only 'landmarks', 'face-geometry' and ONNX nets run without"
        return [Finding("extract", "device", "missing", text, "pip install 'ravfeat[extract]'")]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limits = BatchLimits.of(device, clips=None, seconds=None, frames=BatchLimits.frames)
    values = {
        "device": device, "precision": "float32", "stored_as": "float16",
        "batch_clips": limits.clips, "batch_seconds": limits.seconds, "batch_pictures": limits.frames,
    }  # fmt: skip
    text = f"--device {device}, in float32; features are stored as float16"
    batches = f"at most {limits.clips} clips and {limits.seconds:g} s, or {limits.frames} pictures"
    return [Finding("extract", "device", "ok", text, values=values), Finding("extract", "batches", "ok", batches)]


def check_readers() -> list[Finding]:
    """Report how many threads decode."""
    from ravfeat.faces.source import FaceSource
    from ravfeat.media.waveform_source import WaveformSource

    voices, faces = WaveformSource().readers, FaceSource().readers
    text = f"{voices} threads that decode voices, {faces} that decode pictures and find faces"
    return [Finding("extract", "readers", "ok", text, values={"readers": voices, "face_readers": faces})]
