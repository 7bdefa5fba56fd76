"""Decode media files: audio to a mono waveform, video to pictures with times; augment waveforms."""
