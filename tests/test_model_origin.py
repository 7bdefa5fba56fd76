"""The record of where an encoder came from, as strangers may have written it."""

from typing import Any

import pytest

from ravfeat.errors import ShardError
from ravfeat.model_origin import check_origin

DIGEST = "0f" * 32
WHOLE: dict[str, Any] = {
    "kind": "onnx",
    "name": "net",
    "repository": "somebody/net-1.0",
    "revision": "c0ffee" * 6 + "c0de",
    "licence": "MIT",
    "files": {"net.onnx": DIGEST},
    "settings": {"colour": "rgb", "mean": [0.5]},
    "faces": {"cropped": False, "fps": 15.0, "margin": 1, "detector": {"name": "d.tflite", "sha256": DIGEST}},
}


@pytest.mark.parametrize("origin", [{}, {"repository": "a/b", "revision": "main"}, {"licence": "MIT"}, WHOLE])
def test_old_and_whole_records_are_taken_as_they_are(origin) -> None:
    assert check_origin(origin, "shard", ShardError, "write it again") == origin


def test_keys_of_later_versions_are_left_out() -> None:
    assert check_origin({"name": "net", "colour": {"of": "it"}}, "shard", ShardError, "") == {"name": "net"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "pickle"},
            "kind is \"pickle\", expected 'transformers', 'onnx', 'landmarks', 'face-geometry', 'logmel', 'egemaps'",
        ),
        ({"repository": "../../etc"}, r"repository is '\.\./\.\./etc', expected owner/name; write it again"),
        ({"repository": "one"}, "repository is 'one', expected owner/name"),
        ({"revision": "a\nb"}, r"revision is 'a\\nb', expected a commit"),
        ({"revision": "a" * 201}, "revision is 'a+', expected a commit"),
        ({"files": {"../net.onnx": DIGEST}}, r"a name in files is '\.\./net.onnx', expected a plain name"),
        ({"files": {"net.onnx": "x"}}, "the digest of net.onnx is 'x', expected a SHA-256"),
        ({"files": [1]}, r"files is \[1\], expected an object"),
        ({"faces": {"fps": 15}}, "faces lacks 'cropped'"),
        ({"faces": {"cropped": True, "fps": -1}}, "faces.fps is -1, expected greater than 0"),
        ({"faces": {"cropped": True, "landmarker": {"name": "/x", "sha256": DIGEST}}}, "a name in faces.landmarker is"),
    ],
)
def test_what_no_record_can_hold_is_refused(change, message) -> None:
    with pytest.raises(ShardError, match=f"shard: {message}"):
        check_origin(WHOLE | change, "shard", ShardError, "write it again", on_hub=True)


def test_a_cache_of_another_program_may_name_a_place_that_the_hub_does_not_have() -> None:
    assert check_origin({"repository": "none"}, "shard", ShardError, "") == {"repository": "none"}
