import numpy as np
import pytest

from ravfeat.errors import ClipError, UsageError
from ravfeat.media.conditions import CONDITIONS, Condition, condition_of

RATE_HZ = 16_000
OF_SOUND = [each for name, about in CONDITIONS.items() if about.stream == "audio" for each in Condition.written(name)]


@pytest.fixture
def voice() -> np.ndarray:
    """A second that is loud in its middle."""
    rng = np.random.default_rng(5)
    sound = 0.05 * rng.standard_normal(RATE_HZ)
    sound[:4000] *= 0.001
    sound[-4000:] *= 0.001
    return sound.astype(np.float32)


def decibel(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def changed(sound: np.ndarray, recipe: str, strength: float | None = None, rate_hz: int = RATE_HZ) -> np.ndarray:
    return Condition(recipe, strength).of_sound(sound, rate_hz, "take")


@pytest.mark.parametrize("condition", OF_SOUND, ids=lambda each: each.name)
def test_a_condition_is_finite_repeatable_and_leaves_its_input_as_it_is(condition, voice) -> None:
    voice.flags.writeable = False
    first = condition.of_sound(voice, RATE_HZ, "a")
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert not np.shares_memory(first, voice)
    assert np.array_equal(first, condition.of_sound(voice, RATE_HZ, "a"))
    assert (len(first) == len(voice)) is (condition.recipe not in {"speed", "trim"})
    silent = condition.of_sound(np.zeros(RATE_HZ, np.float32), RATE_HZ, "a")
    assert np.abs(silent).max() < 1e-3


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 48_000])
@pytest.mark.parametrize("recipe", ["telephone", "mp3", "reverb"])
def test_any_rate_will_do_and_a_clip_of_one_sample_too(recipe, rate_hz) -> None:
    condition = Condition.written(recipe)[0]
    sound = (0.1 * np.random.default_rng(0).standard_normal(rate_hz // 2)).astype(np.float32)
    assert len(condition.of_sound(sound, rate_hz, "a")) == len(sound)
    assert len(condition.of_sound(sound[:1], rate_hz, "a")) == 1


@pytest.mark.parametrize("snr_db", [20, 5, -3.5])
def test_noise_is_as_strong_as_it_says_and_the_same_at_every_strength(snr_db, voice) -> None:
    noise = changed(voice, "snr", snr_db) - voice
    assert decibel(voice.std() / noise.std()) == pytest.approx(snr_db, abs=0.2)
    other = changed(voice, "snr", 10) - voice
    assert np.corrcoef(noise, other)[0, 1] > 0.999
    assert abs(np.corrcoef(noise, Condition("snr", 10).of_sound(voice, RATE_HZ, "other") - voice)[0, 1]) < 0.05


def test_a_telephone_leaves_its_band_alone(voice) -> None:
    spectrum = np.abs(np.fft.rfft(changed(voice, "telephone"))) ** 2
    hz = np.fft.rfftfreq(len(voice), 1 / RATE_HZ)
    inside = spectrum[(hz > 320) & (hz < 3350)].sum()
    assert spectrum[(hz < 250) | (hz > 3700)].sum() < 0.01 * inside
    before = np.abs(np.fft.rfft(voice)) ** 2
    assert inside == pytest.approx(before[(hz > 320) & (hz < 3350)].sum(), rel=0.05)


def test_gain_clipping_and_speed_do_what_they_say(voice) -> None:
    assert decibel(rms(changed(voice, "gain", -12)) / rms(voice)) == pytest.approx(-12, abs=1e-3)
    clipped = changed(voice, "clip", 20)
    assert np.mean(np.abs(clipped) >= np.abs(clipped).max() * 0.9999) == pytest.approx(0.2, abs=0.001)
    assert len(changed(voice, "speed", 0.8)) == pytest.approx(len(voice) / 0.8, abs=2)


def test_a_room_falls_by_sixty_decibel_in_its_time() -> None:
    click = np.zeros(2 * RATE_HZ, np.float32)
    click[0] = 1
    wet = changed(click, "reverb", 0.6)
    tail = [decibel(rms(wet[round(s * RATE_HZ) : round(s * RATE_HZ) + 800])) for s in (0.1, 0.4)]
    assert tail[0] - tail[1] == pytest.approx(30, abs=2)
    assert np.square(wet[1:]).sum() == pytest.approx(wet[0] ** 2, rel=0.01)
    assert rms(wet) == pytest.approx(rms(click), rel=1e-4)


def test_mp3_stays_in_place_and_fewer_bits_are_farther_away(voice) -> None:
    apart = [rms(changed(voice, "mp3", kbits) - voice) / rms(voice) for kbits in (160, 32, 8)]
    assert apart[0] < 0.4
    assert apart == sorted(apart)
    loud = changed(voice * 100, "mp3", 64)  # beyond full scale, which a coder cuts off
    assert rms(loud) == pytest.approx(rms(voice * 100), rel=0.2)


def test_silence_is_trimmed_on_both_sides(voice) -> None:
    trimmed = changed(voice, "trim")
    assert len(trimmed) == pytest.approx(0.78 * RATE_HZ, abs=0.02 * RATE_HZ)


@pytest.mark.parametrize("condition", [each for name in CONDITIONS for each in Condition.written(name)], ids=str)
def test_a_name_gives_the_condition_again(condition) -> None:
    assert condition_of(condition.name) == (condition, "clean")
    assert condition_of(condition.view_name("speed-1:0.9")) == (condition, "speed-1:0.9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "no condition 'noise'; choose from snr, telephone"),
        ("snr:", "expected a number after the colon"),
        ("snr:loud", "expected a number after the colon"),
        ("snr:nan", "condition 'snr': expected a strength from -20 to 60"),
        ("snr:inf", "expected a strength"),
        ("gain:0", "that changes something"),
        ("gain:-0.0", "that changes something"),
        ("speed:1", "that changes something"),
        ("gain:0.1234", "at most three decimals"),
        ("clip:100", "from 0.1 to 90"),
        ("mp3:17", "no bit rate of 17 kbit/s"),
        ("telephone:8", "'telephone' has no strength, got 8"),
        ("small:1000", "from 1.1 to 64"),
    ],
)
def test_what_is_no_condition_is_refused(text, message) -> None:
    with pytest.raises(UsageError, match=message):
        Condition.written(text)


@pytest.mark.parametrize("name", ["stress.snr-2:10", "stress.snr-1:10.0", "stress.snr-1", "stress.", "stress.x-1:1"])
def test_a_view_of_no_known_condition_is_refused(name) -> None:
    with pytest.raises(UsageError, match="condition"):
        condition_of(name)


def test_samples_that_are_none_are_refused() -> None:
    for sound in (np.zeros(0, np.float32), np.full(5, np.nan, np.float32), np.zeros((2, 5), np.float32)):
        with pytest.raises(ClipError, match=r"stress\.snr-1:5' of 'take': expected finite samples of one channel"):
            changed(sound, "snr", 5)
