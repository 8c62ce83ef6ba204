"""Phrases to tokens and back; the only room that imports note_seq."""
