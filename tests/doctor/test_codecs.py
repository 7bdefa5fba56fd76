"""What can be decoded."""

import av
import soundfile

from ravfeat.doctor.codecs import CODECS, check_codecs


def test_this_machine_decodes_what_the_corpora_need() -> None:
    video, sound = check_codecs(av, soundfile)
    assert (video.state, sound.state) == ("ok", "ok")
    assert video.values["decodes"] == list(CODECS)
    assert "WAV, FLAC, OGG" in sound.text
    assert check_codecs(None, None) == []


def test_a_decoder_that_is_missing_is_named(monkeypatch) -> None:
    real = av.codec.Codec

    def some(name: str, mode: str):
        return real("no-such-codec" if name == "h264" else name, mode)

    monkeypatch.setattr(av.codec, "Codec", some)
    (finding,) = check_codecs(av, None)
    assert finding.state == "problem"
    assert finding.text.endswith("but not h264")
    assert finding.values["lacks"] == ["h264"]
