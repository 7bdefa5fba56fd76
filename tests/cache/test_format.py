"""Names, identities and recipes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache.format import (
    StoreRecipe,
    cache_folder_name,
    encoder_of_folder,
    features_sha256,
    fingerprint,
    shard_file,
    shard_number,
)
from ravfeat.errors import CacheError, UsageError


def test_the_fingerprint_is_that_of_the_canonical_json() -> None:
    identity = {"b": [1, 2], "a": "é"}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert fingerprint(identity) == hashlib.sha256(text.encode()).hexdigest()[:12]
    assert fingerprint(dict(reversed(identity.items()))) == fingerprint(identity)
    assert fingerprint(identity | {"a": "e"}) != fingerprint(identity)
    assert cache_folder_name("audio", "wavlm", identity) == f"audio-wavlm-{fingerprint(identity)}"


def test_the_folder_of_a_view_is_named_after_it_and_the_encoder_is_read_from_it_again() -> None:
    clean, view = ({"a": 1, "view": name} for name in ("clean", "published-1:seed3"))
    assert cache_folder_name("audio", "wavlm", clean) == f"audio-wavlm-{fingerprint(clean)}"
    name = f"audio-wavlm-published-1-seed3-{fingerprint(view)}"
    assert cache_folder_name("audio", "wavlm", view) == name
    assert encoder_of_folder(name, "audio", view) == "wavlm"
    assert encoder_of_folder(f"audio-my-wavlm-{fingerprint(clean)}", "audio", clean) == "my-wavlm"


def test_every_part_of_a_recipe_is_identity() -> None:
    recipes = [
        StoreRecipe(),
        StoreRecipe(layers=(0, 1)),
        StoreRecipe(store="pooled"),
        StoreRecipe(frame_stride=2),
        StoreRecipe(dtype="float32"),
        StoreRecipe(view="noise/1"),
    ]
    assert len({fingerprint(recipe.identity(3)) for recipe in recipes}) == len(recipes)
    assert StoreRecipe(layers=(0, 1, 2)).identity(3) == StoreRecipe().identity(3)


def test_stored_shapes_are_those_of_the_recipe() -> None:
    assert StoreRecipe().stored_shape(10, 3, 64) == (3, 10, 64)
    assert StoreRecipe(layers=(1,), frame_stride=4).stored_shape(10, 3, 64) == (1, 3, 64)
    assert StoreRecipe(store="pooled").stored_shape(10, 3, 64) == (3, 1, 128)


def test_layers_that_do_not_exist_are_refused() -> None:
    with pytest.raises(CacheError, match=r"layers \[3, 9\] do not exist: this encoder has layers 0 to 2"):
        StoreRecipe(layers=(1, 3, 9)).resolve_layers(3)


@pytest.mark.parametrize("layers", [(), (2, 1), (1, 1)])
def test_layers_are_distinct_and_ascending(layers: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="each once, in ascending order"):
        StoreRecipe(layers=layers)


def test_recipes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="dtype 'bfloat16'"):
        StoreRecipe(dtype="bfloat16")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="frame_stride 0"):
        StoreRecipe(frame_stride=0)
    with pytest.raises(UsageError, match="pooled statistics are over all frames"):
        StoreRecipe(store="pooled", frame_stride=2)


def test_shard_names_and_numbers_are_one_to_one() -> None:
    assert shard_file(7) == "shard-00007.h5"
    assert shard_number(Path("x/shard-123456.h5")) == 123456
    for name in ("shard-7.h5", "shard-00007.hdf5", "shard-00007.h5.tmp", "part-00007.h5", "shard--0001.h5"):
        assert shard_number(Path(name)) is None


def test_a_blocks_digest_is_of_its_little_endian_bytes_in_c_order() -> None:
    block = np.arange(24, dtype="<f2").reshape(2, 3, 4)
    expected = hashlib.sha256(block.tobytes()).hexdigest()
    assert features_sha256(block) == expected
    assert features_sha256(block.astype(">f2")) == expected
    assert features_sha256(np.asfortranarray(block)) == expected
