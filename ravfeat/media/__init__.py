"""Media files to arrays: a path becomes one mono waveform, or pictures with their times."""
