"""Media files to arrays: a path becomes one mono waveform, or pictures with their times."""

from ravfeat.media.pictures import Picture, read_pictures
from ravfeat.media.probe import probe_duration
from ravfeat.media.sound import RESAMPLING, Waveform, read_waveform, resample

__all__ = ["RESAMPLING", "Picture", "Waveform", "probe_duration", "read_pictures", "read_waveform", "resample"]
