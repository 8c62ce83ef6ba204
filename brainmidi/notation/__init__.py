"""Scores for people to read, through music21."""
