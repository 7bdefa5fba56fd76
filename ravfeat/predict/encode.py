"""Encode recordings for a prediction: the stored features of every window, as an extraction would store them."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import ClipError
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event, read_ahead
from ravfeat.extract.encode import Read, encode_clip
from ravfeat.extract.reduce import ClipReducer, StoredClip
from ravfeat.predict.frames import WHOLE, EncodedFrames, FrameCollector
from ravfeat.predict.read import EncoderGroup, SoundRead, ToPredict, clip_of, read_recording
from ravfeat.predict.windows import Window, Windowing
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["EncodedRecording", "EncodedWindow", "Stored", "encode_recordings", "opened"]

Stored = StoredClip | str
"""The features of a window, or why there are none."""


@dataclass(frozen=True)
class EncodedWindow:
    """The features of a window.

    Attributes
    ----------
    stored : mapping of int to (StoredClip or str)
        By encoder.
    active : tuple of (float, float), optional
        Where the speech in its sound begins and ends, as shares of the window; see `ravfeat.media.active`.
    """

    stored: Mapping[EncoderIndex, Stored]
    active: tuple[float, float] | None = None


_Events = Iterator[Event | SoundRead]


@dataclass(frozen=True)
class EncodedRecording:
    """A recording as the encoders give it.

    Attributes
    ----------
    windows : tuple of (float, float)
        Empty where nothing could be read.
    stored : iterator of EncodedWindow
        Of every window in order. Windows of sound are encoded as they are asked for, so that an hour takes
        the memory of one window; ask for all of them before the next recording.
    reasons : mapping of int to str
        Of the whole recording, by encoder: why there is nothing in any window.
    sound : SoundRead
    frames : EncodedFrames or None
        Of the encoder that knows most of the faces.
    duration_s : float
        NaN where nothing could be read.
    digests : mapping of str to str
        Of the input, by stream.
    """

    windows: tuple[Window, ...]
    stored: Iterator[EncodedWindow]
    reasons: Mapping[EncoderIndex, str]
    sound: SoundRead
    frames: EncodedFrames | None
    duration_s: float
    digests: Mapping[str, str]


def encode_recordings(
    recordings: Sequence[ToPredict],
    groups: Sequence[EncoderGroup],
    recipes: Mapping[EncoderIndex, StoreRecipe],
    windowing: Windowing,
) -> Iterator[EncodedRecording]:
    """Encode recordings one after another; the next ones are decoded while one is encoded.

    Parameters
    ----------
    recordings : sequence of ToPredict
    groups : sequence of EncoderGroup
        At most one of them listens.
    recipes : mapping of int to StoreRecipe
        By encoder.
    windowing : Windowing
    """

    def read(recording: ToPredict) -> Generator[Event | SoundRead, None, None]:
        return read_recording(recording, groups, windowing)

    readers = max(group.source.readers for group in groups)
    with closing(read_ahead(recordings, read, 2 * readers, readers=readers)) as events:
        for recording in recordings:
            yield _encode(recording, events, groups, recipes, windowing)


def _encode(
    recording: ToPredict,
    events: _Events,
    groups: Sequence[EncoderGroup],
    recipes: Mapping[EncoderIndex, StoreRecipe],
    windowing: Windowing,
) -> EncodedRecording:
    sound, digests = SoundRead(), dict[str, str]()
    frames, reasons = dict[EncoderIndex, EncodedFrames](), dict[EncoderIndex, str]()
    duration_s, listening = math.nan, None
    for group in (group for group in groups if not group.listens):
        reducers = {index: FrameCollector(recipes[index]) for index in group.encoders}
        encoded = encode_clip(clip_of(recording), _next_clip(events), group.encoders, reducers)
        frames |= encoded.results
        reasons |= encoded.reasons
        if encoded.recording is not None:
            digests["face"] = encoded.recording.input_sha256
            duration_s = encoded.recording.n_samples / encoded.recording.rate_hz
    for listening in (group for group in groups if group.listens):
        sound = _sound(events)
        reasons |= dict.fromkeys(listening.encoders, sound.reason) if sound.reason else {}
        digests |= {"audio": sound.input_sha256} if sound.windows else {}
    # The sound says how long a recording is, where there is some.
    windows = sound.windows or (() if math.isnan(duration_s) else windowing.of(duration_s))
    duration_s = sound.duration_s if sound.windows else duration_s

    def stored() -> Iterator[EncodedWindow]:
        for number in range(len(windows)):
            seen = {index: _stored(each, opened(windows, number)) for index, each in frames.items()}
            heard = EncodedWindow({})
            if listening and sound.windows:
                heard = _encode_window(recording, listening, recipes, events)
            yield replace(heard, stored={**reasons, **seen, **heard.stored})

    followed = max(frames.values(), key=lambda each: "faces" in each.columns, default=None)
    return EncodedRecording(windows, stored(), reasons, sound, followed, duration_s, digests)


def _encode_window(
    recording: ToPredict, group: EncoderGroup, recipes: Mapping[EncoderIndex, StoreRecipe], events: _Events
) -> EncodedWindow:
    reducers = {index: ClipReducer(recipes[index], "audio") for index in group.encoders}
    encoded = encode_clip(clip_of(recording), _next_clip(events), group.encoders, reducers)
    further = {} if encoded.recording is None else encoded.recording.further
    active = (further[ACTIVE_COLUMNS[0]], further[ACTIVE_COLUMNS[1]]) if further else None
    return EncodedWindow({**encoded.results, **encoded.reasons}, active)


def _sound(events: _Events) -> SoundRead:
    sound = next(events)
    if not isinstance(sound, SoundRead):
        raise TypeError(f"expected the sound of a recording, got {type(sound).__name__}")
    return sound


def _next_clip(events: _Events) -> Read:
    """Give a function that reads the events of one clip from those of all recordings."""

    def read(*_: object) -> Generator[Event, None, None]:
        for event in events:
            if isinstance(event, SoundRead):
                raise TypeError("the sound of a recording comes before its clips")
            yield event
            if isinstance(event, ClipEnd):
                return

    return read


def _stored(frames: EncodedFrames, window: Window) -> Stored:
    try:
        return frames.stored(window)
    except ClipError as error:
        return str(error)


def opened(windows: Sequence[Window], number: int) -> Window:
    """Let the first window begin, and the last one end, with the pictures: they may be longer than the sound."""
    start_s, end_s = windows[number]
    return (WHOLE[0] if number == 0 else start_s, WHOLE[1] if number == len(windows) - 1 else end_s)
