"""The encoder that has already run."""

import numpy as np
import pytest

from ravfeat.errors import UsageError
from ravfeat.faces.geometry import face_geometry
from ravfeat.importers.encoder import ImportedPiece, ImportEncoder, states_shape
from ravfeat.importers.transforms import get_transform


def encoder(name="x", *, shape=(4,), transform="none", **changes):
    given = {"stream": "face", "digest": "d", "steps": ("read/1", "times/1"), "fps": 25.0, "files": ("a.npz",)}
    return ImportEncoder(name, shape=shape, transform=get_transform(transform, shape), **(given | changes))


def test_its_identity_is_contents_and_steps_and_not_names() -> None:
    one, other = encoder("x"), encoder("y", files=("b.npz",), fps=30.0)
    assert one.spec.identity() == other.spec.identity()
    assert one.spec.identity() == {
        "stream": "face",
        "weights": "d",
        "layer_convention": "as imported/1",
        "preprocessing": ["read/1", "times/1", "no transform/1"],
    }
    assert encoder(transform="log-softmax").spec.identity() != one.spec.identity()
    assert encoder(digest="e").spec.identity() != one.spec.identity()


@pytest.mark.parametrize(
    ("shape", "layers_and_dim"),
    [
        ((7,), (1, 7)),
        ((), (1, 1)),
        ((68, 2), (1, 136)),
        ((5, 3), (1, 15)),
        ((13, 768), (13, 768)),
        ((2, 4, 4), (1, 32)),
    ],
)
def test_two_axes_are_layers_unless_they_are_points(shape, layers_and_dim) -> None:
    assert states_shape(shape) == layers_and_dim


def test_geometry_makes_one_layer_of_36_numbers_of_points() -> None:
    made = encoder(shape=(68, 2), transform="geometry")
    assert (made.spec.n_layers, made.spec.dim) == (1, 36)
    assert made.spec.identity() != encoder(shape=(68, 2), transform="similarity").spec.identity()
    points = np.random.default_rng(0).normal(size=(3, 68, 2)).astype(np.float32)
    (states,) = made.encode([made.prepare(ImportedPiece(points, np.arange(3.0), {}))])
    np.testing.assert_array_equal(states[:, 0], face_geometry(points))


def test_rows_become_hidden_states_piece_by_piece() -> None:
    made = encoder(shape=(2, 4))
    values = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    pieces = [
        ImportedPiece(values[:1], np.zeros(1), {"found": np.ones(1, np.float32)}),
        ImportedPiece(values[1:], np.ones(2), {}),
    ]
    prepared = [made.prepare(piece) for piece in pieces]
    assert [piece.n_frames for piece in prepared] == [1, 2]
    assert prepared[0].columns["found"].tolist() == [1]
    np.testing.assert_array_equal(np.concatenate(made.encode(prepared)), values)


def test_points_are_laid_out_one_after_another() -> None:
    made = encoder(shape=(5, 2))
    values = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    (states,) = made.encode([made.prepare(ImportedPiece(values, np.zeros(1), {}))])
    assert states.tolist() == [[list(range(10))]]


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b"])
def test_a_name_must_fit_into_a_folders(name) -> None:
    with pytest.raises(UsageError, match=f"--name '{name}' becomes a part of the cache's folder"):
        encoder(name)


def test_provenance_knows_files_and_numpy() -> None:
    assert encoder().provenance() == {"device": "cpu", "numpy": np.__version__, "files": ["a.npz"]}
