"""Phrases to tokens and back, in the event classes of note_seq, whose own reading of them the tests compare with."""
