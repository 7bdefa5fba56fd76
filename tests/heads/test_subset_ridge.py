import numpy as np

from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.kernel_ridge import KernelRidge, logit_scale
from ravfeat.heads.subset_ridge import SubsetRidge


def kernel_of(a, b):
    return np.exp(-0.3 * np.square(a[:, None] - b[None]).sum(-1))


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.standard_normal((n, 4)) + y[:, None], y


def test_with_all_rows_as_centres_it_is_kernel_ridge():
    x, y = drawn(40)
    kernel = kernel_of(x, x)
    for clips in (np.arange(40), np.arange(40) // 2):
        full = KernelRidge(kernel, y, 3, clips).dual(0.3)
        subset = SubsetRidge(kernel, kernel, y, 3, clips).dual(0.3)
        np.testing.assert_allclose(kernel @ subset, kernel @ full, rtol=1e-3, atol=1e-4)


def test_the_scale_is_that_of_rows_left_out_with_their_clip():
    x, y = drawn(48, 1)
    clips = np.tile(np.arange(24), 2)
    y = y[clips]
    centres = x[:24]
    kernel, middle = kernel_of(x, centres), kernel_of(centres, centres)
    weights = balanced_weights(y, 3)[y].astype(float)

    def plain(rows):
        f, w = kernel[rows], weights[rows][:, None]
        system = f.T @ (w * f) + 0.2 * middle + 1e-6 * np.eye(24)
        return np.linalg.solve(system, f.T @ (w * np.eye(3)[y[rows]]))

    left_out = np.empty((48, 3))
    for clip in range(24):
        without = plain(np.flatnonzero(clips != clip))
        left_out[clips == clip] = kernel[clips == clip] @ without
    expected = plain(np.arange(48)) * logit_scale(left_out, y, weights)
    np.testing.assert_allclose(SubsetRidge(kernel, middle, y, 3, clips).dual(0.2), expected, rtol=1e-6, atol=1e-8)


def test_equal_centres_are_solved():
    x, y = drawn(12, 2)
    x[1] = x[0]
    kernel = kernel_of(x, x)
    assert np.isfinite(SubsetRidge(kernel, kernel, y, 3, np.arange(12)).dual(1e-3)).all()
