import numpy as np
import pytest

from ravfeat.errors import ClipError, UsageError
from ravfeat.media.augment import SPEED, VIEWS, View, augment

RATE_HZ = 16_000
KEYS = [f"take-{number}" for number in range(200)]


@pytest.fixture
def voice() -> np.ndarray:
    rng = np.random.default_rng(5)
    return (0.1 * rng.standard_normal(RATE_HZ)).astype(np.float32)


def decibel(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@pytest.mark.parametrize("view", VIEWS)
def test_the_same_seed_and_key_give_the_same_samples_whatever_was_drawn_before(view, voice) -> None:
    first = augment(voice, RATE_HZ, view=view, seed=3, key="a")
    np.random.default_rng(0).random(10)
    augment(voice, RATE_HZ, view=view, seed=3, key="b")
    assert np.array_equal(first, augment(voice, RATE_HZ, view=view, seed=3, key="a"))


@pytest.mark.parametrize("view", VIEWS)
def test_another_seed_or_key_gives_other_samples(view, voice) -> None:
    first = augment(voice, RATE_HZ, view=view, seed=3, key="a")
    assert not np.array_equal(first, augment(voice, RATE_HZ, view=view, seed=4, key="a"))
    assert not np.array_equal(first, augment(voice, RATE_HZ, view=view, seed=3, key="b"))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_finite_float32_and_leaves_its_input_as_it_is(view, voice) -> None:
    before = voice.copy()
    voice.flags.writeable = False
    changed = augment(voice, RATE_HZ, view=view, seed=0, key="a")
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.array_equal(voice, before)
    assert not np.shares_memory(voice, changed)


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in {"crop", "published"}])
def test_only_crops_change_the_length(view, voice) -> None:
    assert {len(augment(voice, RATE_HZ, view=view, seed=0, key=key)) for key in KEYS[:20]} == {len(voice)}


def test_gain_is_one_factor_of_at_most_six_decibel(voice) -> None:
    gains = []
    for key in KEYS:
        changed = augment(voice, RATE_HZ, view="gain", seed=0, key=key)
        factor = changed[100] / voice[100]
        assert np.allclose(changed, voice * factor, rtol=1e-5)
        gains.append(decibel(factor))
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_lies_ten_to_thirty_decibel_below_the_clip_whatever_its_offset(voice) -> None:
    shifted = voice + np.float32(0.5)
    ratios = [
        decibel(voice.std() / (augment(shifted, RATE_HZ, view="noise", seed=0, key=key) - shifted).std())
        for key in KEYS
    ]
    assert 9.8 < min(ratios) < 12
    assert 28 < max(ratios) < 30.2


def test_a_mask_zeroes_at_most_fifteen_percent_in_one_or_two_spans(voice) -> None:
    shares, spans = [], set()
    for key in KEYS:
        zero = augment(voice, RATE_HZ, view="mask", seed=0, key=key) == 0
        shares.append(zero.mean())
        spans.add(int((np.diff(zero.astype(int), prepend=0) == 1).sum()))
    assert max(shares) <= 0.15
    assert max(shares) > 0.13
    assert spans == {1, 2}


def test_a_crop_is_four_fifths_of_the_clip_or_more_in_one_piece(voice) -> None:
    lengths = []
    for key in KEYS:
        cropped = augment(voice, RATE_HZ, view="crop", seed=0, key=key)
        start = int(np.flatnonzero(voice == cropped[0])[0])
        assert np.array_equal(cropped, voice[start : start + len(cropped)])
        lengths.append(len(cropped) / len(voice))
    assert 0.8 <= min(lengths) < 0.82
    assert 0.98 < max(lengths) <= 1


def test_a_crop_leaves_what_an_encoder_needs(voice) -> None:
    assert min(len(augment(voice[:1700], RATE_HZ, view="crop", seed=0, key=key)) for key in KEYS) == 1600
    assert {len(augment(voice[:900], RATE_HZ, view="crop", seed=0, key=key)) for key in KEYS[:20]} == {900}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("length", [1, 2, RATE_HZ])
def test_silent_and_tiny_clips_survive(view, length) -> None:
    changed = augment(np.zeros(length, np.float32), RATE_HZ, view=view, seed=0, key="silent")
    assert len(changed) >= 0.8 * length
    assert not changed.any()


def test_published_changes_loudness_adds_noise_masks_and_crops(voice) -> None:
    changed = [augment(voice, RATE_HZ, view="published", seed=0, key=key) for key in KEYS[:50]]
    assert min(len(one) for one in changed) < 0.85 * RATE_HZ
    assert max((one == 0).mean() for one in changed) > 0.1
    loudness = [decibel(one[one != 0].std() / voice.std()) for one in changed]
    assert min(loudness) < -4 < 4 < max(loudness)


@pytest.mark.parametrize(
    ("view", "length", "first", "total"),
    [
        ("gain", 4001, -0.544775, 1090.096),
        ("noise", 4001, -0.963428, 2001.848),
        ("mask", 4001, -1.000000, 1930.166),
        ("crop", 3945, -0.987500, 1945.382),
        ("published", 3453, -0.534690, 982.223),
    ],
)
def test_what_a_version_draws_stays_as_it_is(view, length, first, total) -> None:
    ramp = np.linspace(-1, 1, 4001, dtype=np.float32)
    changed = augment(ramp, 8000, view=view, seed=7, key="03-01-05-01-01-01-07")
    got = [len(changed), changed[0], np.abs(changed).sum()]
    assert got == pytest.approx([length, first, total], rel=1e-4), "raise the version of the recipe"


def test_a_view_is_named_with_its_version_and_seed() -> None:
    assert View("published", 3).name == "published-1:seed3"
    assert [View.parse(View(view, 12).name) for view in VIEWS] == [View(view, 12) for view in VIEWS]
    assert View.parse("clean") is None


@pytest.mark.parametrize(
    "name", ["", "published", "published-1", "published-2:seed0", "noise/1", "gain-1:seed-1", "gain-1:seed01"]
)
def test_a_name_of_another_version_or_none_is_refused(name) -> None:
    choices = "expected clean, speed-1:FACTOR or one of gain-1:seedN, "
    with pytest.raises(UsageError, match=f"no view is called '{name}' here; {choices}"):
        View.parse(name)


def test_a_view_changes_clips_as_its_recipe_does(voice) -> None:
    expected = augment(voice, RATE_HZ, view="published", seed=2, key="a")
    assert np.array_equal(View("published", 2).of(voice, RATE_HZ, "a"), expected)


def test_an_unknown_view_is_refused_with_the_choices(voice) -> None:
    with pytest.raises(UsageError, match="no view 'reverb'; choose from gain, noise, mask, crop, published"):
        augment(voice, RATE_HZ, view="reverb", seed=0, key="a")
    with pytest.raises(UsageError, match="no view 'clean'; choose from gain"):
        View("clean")


def test_a_negative_seed_is_refused(voice) -> None:
    with pytest.raises(UsageError, match="view 'gain': expected a seed of 0 or more, got -1"):
        augment(voice, RATE_HZ, view="gain", seed=-1, key="a")


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), r"got shape \(0,\);"),
        (np.zeros((2, 8), np.float32), r"got shape \(2, 8\);"),
        (np.array([0, np.nan], np.float32), r"got shape \(2,\) with NaN or infinite values;"),
    ],
)
def test_samples_that_are_no_sound_are_refused(samples, reason) -> None:
    with pytest.raises(ClipError, match=f"view 'noise' of 'a': expected one or more finite samples .* {reason}"):
        augment(samples, RATE_HZ, view="noise", seed=0, key="a")


# --- views of another speed

FACTORS = (0.5, 0.85, 0.9, 1.1, 1.18, 2.0)


def tone(frequency_hz: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz).astype(np.float32)


def pitch_hz(samples: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    """Frequency of the largest value of the spectrum."""
    middle = samples[len(samples) // 8 : -len(samples) // 8]  # the filter rings at the ends
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    return float(np.fft.rfftfreq(1 << 18, 1 / rate_hz)[spectrum.argmax()])


@pytest.mark.parametrize("factor", FACTORS)
def test_a_speed_moves_length_and_pitch_by_its_factor(factor) -> None:
    changed = View(SPEED, factor=factor).of(tone(440), RATE_HZ, "a")
    assert changed.dtype == np.float32
    assert len(changed) == pytest.approx(RATE_HZ / factor, abs=1)
    assert pitch_hz(changed) == pytest.approx(440 * factor, rel=1e-3)
    # A tone stays a tone of the same loudness.
    middle = changed[len(changed) // 4 : -len(changed) // 4]
    assert middle.std() == pytest.approx(np.sqrt(0.5), rel=1e-2)


def test_a_speed_holds_at_other_rates() -> None:
    changed = View(SPEED, factor=1.1).of(tone(440, 44_100), 44_100, "a")
    assert len(changed) == pytest.approx(44_100 / 1.1, abs=1)
    assert pitch_hz(changed, 44_100) == pytest.approx(484, rel=1e-3)


def test_what_would_be_above_half_the_rate_is_left_out_not_folded_back() -> None:
    changed = View(SPEED, factor=2).of(tone(6000), RATE_HZ, "a")
    assert np.abs(changed[1000:-1000]).max() < 1e-3


def test_a_speed_changes_every_clip_alike_and_leaves_it_as_it_is(voice) -> None:
    before = voice.copy()
    first, second = (View(SPEED, factor=0.9).of(voice, RATE_HZ, key) for key in "ab")
    assert np.array_equal(first, second)
    assert np.array_equal(voice, before)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("speed:0.90", "speed-1:0.9"),
        ("speed:.9", "speed-1:0.9"),
        ("speed:2", "speed-1:2"),
        ("speed:1.125", "speed-1:1.125"),
    ],
)
def test_a_speed_is_named_with_its_version_and_factor(written, name) -> None:
    view = View.written(written)
    assert view.name == name
    assert View.parse(name) == view


@pytest.mark.parametrize(
    "name", ["speed-2:0.9", "speed-1:0.90", "speed-1:seed0", "speed-1", "speed-1:3", "speed-1:1", "gain-1:0.9"]
)
def test_a_speed_has_one_name(name) -> None:
    with pytest.raises(UsageError, match=r"no view is called|expected a factor from 0\.5 to 2|has no factor"):
        View.parse(name)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("speed", "view 'speed': expected a factor from 0.5 to 2, but not 1"),
        ("speed:1", "view 'speed:1.0': expected a factor"),
        ("speed:0.4", "view 'speed:0.4': expected a factor"),
        ("speed:2.1", "view 'speed:2.1': expected a factor"),
        ("speed:0.9001", "with at most three decimals, such as speed:0.9"),
        ("speed:nan", "view 'speed:nan': expected a factor"),
        ("speed:fast", "view 'speed:fast': expected a number after the colon, such as speed:0.9"),
        ("gain:2", "view 'gain:2': 'gain' has no factor; write it without the colon"),
        ("gain:seed3", "write it without the colon, and give a seed with --view-seed"),
        ("pitch:0.9", "no view 'pitch'; choose from gain, noise, mask, crop, published, speed:FACTOR"),
    ],
)
def test_factors_that_cannot_be_are_refused(written, message) -> None:
    with pytest.raises(UsageError, match=message):
        View.written(written)


def test_a_seed_may_have_many_digits() -> None:
    view = View("gain", 12_345_678_901)
    assert View.parse(view.name) == view


def test_a_speed_has_no_seed() -> None:
    with pytest.raises(UsageError, match="view 'speed' draws nothing, so it has no seed, got 3"):
        View.written("speed:0.9", 3)


def test_no_samples_are_refused_and_a_single_one_is_not() -> None:
    with pytest.raises(ClipError, match=r"view 'speed-1:0.9' of 'a': expected .* got shape \(0,\);"):
        View(SPEED, factor=0.9).of(np.zeros(0, np.float32), RATE_HZ, "a")
    assert len(View(SPEED, factor=2).of(np.ones(1, np.float32), RATE_HZ, "a")) == 1
