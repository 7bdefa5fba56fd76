"""Which sound and video formats can be decoded."""

from typing import Any

from ravfeat.doctor.finding import Finding

__all__ = ["CODECS", "check_codecs"]

CODECS = ("h264", "vp8", "vp9", "aac", "mp3", "flac", "vorbis", "opus")
"""Those of MP4, WebM, MP3, FLAC and Ogg files; RAVDESS is h264 and aac."""


def check_codecs(av: Any, soundfile: Any) -> list[Finding]:
    """Report on the decoders of PyAV (ffmpeg) and on soundfile.

    Parameters
    ----------
    av, soundfile : module or None
        None where it cannot be imported.
    """
    findings = []
    if av is not None:
        lacking = [name for name in CODECS if not _decodes(av, name)]
        there = [name for name in CODECS if name not in lacking]
        ffmpeg = str(getattr(av, "ffmpeg_version_info", "")) or "of an unknown version"
        text = f"ffmpeg {ffmpeg} decodes {', '.join(there) or 'nothing'}"
        values = {"av": av.__version__, "ffmpeg": ffmpeg, "decodes": there, "lacks": lacking}
        findings.append(
            Finding("media", "av", "problem", f"{text}, but not {', '.join(lacking)}", "pip install --upgrade av",
                    values=values)
            if lacking
            else Finding("media", "av", "ok", text, values=values)
        )  # fmt: skip
    if soundfile is not None:
        formats = [name for name in ("WAV", "FLAC", "OGG", "MP3") if name in soundfile.available_formats()]
        library = str(soundfile.__libsndfile_version__)
        values = {"libsndfile": library, "formats": formats}
        findings.append(
            Finding("media", "soundfile", "ok", f"libsndfile {library} reads {', '.join(formats)}", values=values)
        )
    return findings


def _decodes(av: Any, name: str) -> bool:
    try:
        av.codec.Codec(name, "r")
    except ValueError:  # av's UnknownCodecError is one
        return False
    return True
