"""brainmidi: EEG steers MusicVAE and a Music Transformer, played on a virtual MIDI port in real time."""

__version__ = "0.1.0"
