"""Music as a table: what the session plays with fake voices, compared exactly with the tables in ``tests/golden``.

Where a change is meant, ``PYTHONPATH=tests python tests/test_golden.py`` writes the tables anew; read the difference
before committing it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import ANCHORS, BASS_ANCHORS, DRUM_ANCHORS, FakeAccompaniment, FakeBass, FakeDrums, FakeMelody

from brainmidi.midi.timetable import bar_events
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.setup import default_ranges
from brainmidi.session import Session, SessionSetup
from brainmidi.types import KNOBS, PARTS, ControlFrame

FOLDER = Path(__file__).parent / "golden"
PIECES = {
    "dorian": {"key": "D dorian", "metre": "4/4", "chords": "", "bars": 16},
    "waltz": {"key": "Bb major", "metre": "3/4", "chords": "Bb Gm7 | Eb F7 | D7 | Gm", "bars": 8},
    "six_eight": {"key": "F# harmonic minor", "metre": "6/8", "chords": "", "bars": 8},
    "band": {"key": "D dorian", "metre": "4/4", "chords": "", "bars": 9, "band": True},
    "band_waltz": {"key": "G major", "metre": "3/4", "chords": "G Em | C D7 | G/B | Am", "bars": 4, "band": True},
}
CHANNELS = {"melody": 1, "accompaniment": 2, "bass": 3, "drums": 10}
KINDS = {0x80: "off", 0x90: "on"}


def table(key: str, metre: str, chords: str, bars: int, *, band: bool = False) -> str:
    home = Key.parse(key)
    given = {"bass_anchors": BASS_ANCHORS, "drum_anchors": DRUM_ANCHORS, "ranges": default_ranges(PARTS)}
    setup = SessionSetup(
        home,
        Metre.parse(metre),
        Progression.parse(chords, home),
        ANCHORS,
        seed=3,
        bars=bars,
        **(given if band else {}),
    )
    session = Session(setup, FakeMelody(), FakeAccompaniment(), *((FakeBass(), FakeDrums()) if band else ()))
    state, lines = session.initial(), ["beat\tkind\tpitch\tvelocity\tchannel"]
    for number in range(bars):
        # A scripted brain: every knob walks its own way from one end to the other and back.
        knobs = {name: abs((number * (place + 2) / 8) % 2 - 1) for place, name in enumerate(KNOBS)}
        frame = ControlFrame(float(number), knobs, anchor_steps=number // 5)
        state, bar = session.step(state, frame, None)
        lines.append(f"# bar {number} {bar.anchor} {bar.tempo_bpm:.3f} {' '.join(s for _, s in bar.chords)}")
        for event in bar_events(bar, CHANNELS):
            kind = KINDS[event.data[0] & 0xF0]
            lines.append(f"{event.beat}\t{kind}\t{event.data[1]}\t{event.data[2]}\t{(event.data[0] & 15) + 1}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PIECES)
def test_the_session_plays_the_golden_table(name):
    assert table(**PIECES[name]) == (FOLDER / f"{name}.tsv").read_text()


if __name__ == "__main__":
    for name, piece in PIECES.items():
        (FOLDER / f"{name}.tsv").write_text(table(**piece))
