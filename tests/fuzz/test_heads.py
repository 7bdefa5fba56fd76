"""Damaged head folders: refused by one message, or finite probabilities that sum to 1."""

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np

from ravfeat import load_head
from ravfeat.errors import HeadError, RavfeatError
from tests.fuzz.mutations import mutate_bytes, mutated, outcome, rounds
from tests.published.hostile import CLIPS, Place, arrays, sign

_STRANGE = (
    np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-45, 1e-38, 1e-7, 1e7, 1e20, 3.4e38, -3.4e38, 65504.0, 0.5,
)  # fmt: skip


def files_of(head: Path) -> list[str]:
    """Every file but the card, which may be added to."""
    names = {path.relative_to(head).as_posix() for path in head.rglob("*") if path.is_file()}
    return sorted(names - {"card.md"})


def predict(folder: Path, place: Place) -> Mapping[object, np.ndarray]:
    head = load_head(folder)
    for source in head.learned:
        digests = [head.trained_on(source, stream) for stream in ("audio", "face")]
        assert all(len(digest) == 64 for of_stream in digests for digest in of_stream)
    for need in (need for part in head.parts for need in part.needs):
        domain = head.domain(need.fingerprint)
        assert domain is None or domain.limit("refit") >= 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {**head.probabilities(place.caches, CLIPS), **head.probabilities(place.caches, CLIPS, fold="mean")}


def test_a_folder_that_was_changed_is_refused(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(place.head, tmp_path / "head"))
    names = files_of(folder)
    for seed in range(rounds(40)):
        random = Random(seed)
        path = folder / random.choice(names)
        data = path.read_bytes()
        changed = mutated(path.name, data, random)
        path.write_bytes(changed)
        # Another spelling of the same TOML has the same digest: what it says is not changed.
        kinds = (HeadError, dict) if path.name == "head.toml" or changed == data else HeadError
        result = outcome(lambda: predict(folder, place))
        assert isinstance(result, kinds), f"seed {seed}: {path.name} was changed, and nobody noticed"
        path.write_bytes(data)


def test_a_folder_that_was_changed_and_signed_again_is_refused_or_predicts(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(place.head, tmp_path / "head"))
    names, refused = files_of(folder), 0
    for seed in range(rounds(40)):
        random = Random(seed)
        name = random.choice(("head.toml", "learned.json", "clips.json", random.choice(names), random.choice(names)))
        before = {one: (folder / one).read_bytes() for one in ("head.toml", name)}
        damage(folder, name, random)
        result = outcome(lambda: predict(folder, place))
        if isinstance(result, RavfeatError):
            said, refused = str(result), refused + 1
            assert "\n" not in said, f"seed {seed}: {said}"
        else:
            for probs in result.values():
                assert np.isfinite(probs).all(), f"seed {seed}: {name}"
                assert (probs >= 0).all(), f"seed {seed}: {name}"
                np.testing.assert_allclose(probs.sum(1), 1, err_msg=f"seed {seed}: {name}")
        for one, data in before.items():
            (folder / one).write_bytes(data)
    assert refused > rounds(40) / 4


def damage(folder: Path, name: str, random: Random) -> None:
    """Change one file, and every digest with it; what is no TOML any more cannot be signed."""
    path = folder / name
    if path.suffix == ".safetensors" and random.random() < 0.7:
        arrays(name.removesuffix(".safetensors"), lambda tensors: _change_numbers(tensors, random))(folder)
    else:
        path.write_bytes((mutate_bytes if random.random() < 0.1 else _mutated(path.name))(path.read_bytes(), random))
    try:
        sign(folder)
    except (ValueError, AttributeError, TypeError):
        assert name == "head.toml"


def _mutated(name: str):
    return lambda data, random: mutated(name, data, random)


def _change_numbers(tensors: dict[str, np.ndarray], random: Random) -> None:
    name = random.choice(sorted(tensors))
    values = tensors[name]
    change, value = random.randrange(6), random.choice(_STRANGE)
    with np.errstate(all="ignore"):
        if change == 0:
            values.fill(value)
        elif change == 1:
            values.flat[random.randrange(values.size)] = value
        elif change == 2:
            tensors[name] = (values * value).astype(values.dtype)
        elif change == 3:
            tensors[name] = values.astype(random.choice((np.float16, np.float32, np.float64, np.int32, np.uint8)))
        elif change == 4:
            tensors[name] = np.ascontiguousarray(random.choice((values.T, values[:0], values[:1], values[None])))
        else:
            other = random.choice(sorted(tensors))
            tensors[name], tensors[other] = tensors[other], values
