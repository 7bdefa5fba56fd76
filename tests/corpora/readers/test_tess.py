"""TESS: two women, one of them once under another name."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import Shape


def test_one_actress_under_two_names_is_one(tmp_path: Path) -> None:
    Shape(tmp_path).put(
        "OAF_neutral/OA_bite_neutral.wav", "OAF_Pleasant_surprise/OAF_back_ps.wav", "YAF_angry/YAF_back_angry.wav",
        "copy/YAF_angry/YAF_back_angry.wav", "YAF_angry/YAF_back.wav",
    )  # fmt: skip
    manifest = load_corpus("tess", tmp_path)
    assert manifest.actors == ("tess:OAF", "tess:YAF")
    assert {clip.clip_id: clip.label for clip in manifest} == {
        "OAF_bite_neutral": "neutral", "OAF_back_ps": "pleasant surprise", "YAF_back_angry": "angry"
    }  # fmt: skip
    assert manifest.skipped == {"files that are there twice": 1, "unknown names": 1}
    assert any("'OA' in OA_bite_neutral.wav is taken as OAF" in note for note in manifest.notes)
    assert any("no protocol keeps actors apart" in note for note in manifest.notes)
