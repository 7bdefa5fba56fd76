"""Names that people type and that have no encoder: what works instead."""

import pytest

from ravfeat.encoders.known import ENCODERS, licence_of
from ravfeat.encoders.registry import load_encoder, stream_of
from ravfeat.errors import EncoderError


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("emotion2vec", "it needs the package funasr, not transformers: write it as an encoder of your own"),
        ("emotion2vec+", "or run it, and read what it wrote: ravfeat cache import FILES --name NAME --stream audio"),
        ("Emotion2Vec_plus_large", "funasr"),
        ("clap", "--encoder path.py:NAME"),
        ("ECAPA-TDNN", "speechbrain"),
        ("xlsr", "give the model's hub id: facebook/wav2vec2-xls-r-300m"),
        ("opensmile", "its feature sets are --encoder egemaps, compare"),
        ("eGeMAPSv02", "openSMILE's are --encoder egemaps and egemaps-lld"),
        ("resnet50", "give the hub id of a picture model: microsoft/resnet-50"),
        ("openface", "ravfeat cache import FILES --name NAME --stream face"),
        ("mfcc", "the nearest is --encoder logmel"),
    ],
)
def test_a_name_that_cannot_be_loaded_is_answered_with_what_works(name, says) -> None:
    for ask in (stream_of, lambda text: load_encoder(text, "cpu")):
        with pytest.raises(EncoderError) as caught:
            ask(name)
        assert str(caught.value).startswith(f"no encoder '{name}'")
        assert says in str(caught.value)


def test_only_what_others_compute_has_a_licence_of_its_own() -> None:
    assert {name for name in ENCODERS if licence_of(name)} == {"egemaps", "egemaps-lld", "compare", "compare-lld"}
    assert licence_of("somebody/model") == ""
