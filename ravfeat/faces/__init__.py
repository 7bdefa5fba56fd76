"""Faces in pictures: found, followed, cut out."""
