"""The corpus itself: counts, doubts, sound, copies, and what features tell apart."""
