"""A real DAW at the port: what Ardour records is what we save, and what sounds is what was played."""

from __future__ import annotations

from fractions import Fraction

import pytest
from midi_daw import CLOCK_OUT, SYNTH, TRACK, Ardour, Synth, missing_daw, missing_synth, strikes
from midi_jack import PORT, Composer, Program
from midi_takes import make_bar, whole_note

from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.settings import PlayerSettings
from brainmidi.types import Note

pytestmark = [pytest.mark.port, pytest.mark.daw]

#: A message that goes out through rtmidi leaves with a period, so that its distance to another is a period off at most;
#: one that goes out on its frame is as far off as Ardour's and our own ticks are apart.
PERIOD_S, TICK_S = 1024 / 48000, 60 / 120 / 960


@pytest.fixture(scope="module")
def ardour(jack_server, tmp_path_factory):
    reason = missing_daw()
    if reason is not None:
        pytest.skip(reason)
    daw = Ardour.start(jack_server, tmp_path_factory.mktemp("ardour"))
    yield daw
    daw.close()


def compare(recorded, saved, within_s=PERIOD_S):
    """Assert that Ardour's take and our file hold the same notes, each within so many seconds of where it belongs."""
    ours, theirs = strikes(saved), strikes(recorded)
    assert len(ours) > 20, "too little was played to show anything"
    assert [row[1:] for row in theirs] == [row[1:] for row in ours]
    offsets_s = [theirs_s - ours_s for (theirs_s, *_), (ours_s, *_) in zip(theirs, ours, strict=True)]
    assert max(offsets_s) - min(offsets_s) <= within_s


@pytest.mark.parametrize(("backend", "within_s"), [("rtmidi", PERIOD_S), ("jack", 2 * TICK_S)])
def test_ardour_records_the_take_that_is_saved(ardour, jack_server, tmp_path, backend, within_s):
    path = tmp_path / "take.mid"
    composer = Composer(jack_server, path, 3, 11, backend=backend)
    try:
        ardour.listen(PORT)
        ardour.tell("record 0")
        composer.go()
        composer.await_player(60.0)
        assert composer.process.wait(20) == 0
    finally:
        composer.close()
    ardour.tell("stop")
    compare(ardour.take(), path, within_s)


@pytest.mark.models
def test_ardour_records_what_improv_saves_with_the_shipped_models(ardour, jack_server, tmp_path):
    path = tmp_path / "take.mid"
    ardour.tell("record 0")
    program = Program(jack_server, path, n_bars=4, seed=1, port=TRACK)
    try:
        program.process.communicate(timeout=120)
    finally:
        program.close()
    assert program.process.returncode == 0
    ardour.tell("stop")
    compare(ardour.take(), path)


def quarters(index):
    """Return a bar with a short note on each beat, a pitch for each."""
    return make_bar(index, tuple(Note(Fraction(beat), Fraction(1, 2), 60 + beat, 80) for beat in range(4)))


def follow(player, until):
    """Hand over bars, one ahead of what sounds, until what happens is `until`."""
    while notices := player.poll(10.0):
        for notice in notices:
            if notice.kind == "started":
                player.send(quarters(notice.index + 1), None)
            if (notice.kind, notice.index) == until:
                return
    raise AssertionError(f"the player does not come to {until}")


@pytest.mark.parametrize(("backend", "port_in"), [("jack", "brainmidi:in"), ("rtmidi", "brainmidi-in:in")])
def test_ardour_as_the_clocks_master_is_followed_from_bar_line_to_bar_line(
    ardour, jack_server, monkeypatch, backend, port_in
):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    settings = PlayerSettings(backend=backend, clock=ClockSettings(source="midi"))
    takes = []
    with PlayerProcess.start(settings) as player:
        ardour.listen(PORT)
        jack_server.run("jack_connect", CLOCK_OUT, port_in)
        player.send(quarters(0), None)
        player.begin(0.0)
        # 8 s are 16 beats at Ardour's 120 bpm: a bar line
        for start_s, last in ((0, 1), (8, 3)):
            ardour.tell(f"record {start_s}")
            follow(player, ("started", last))
            ardour.tell("stop")
            follow(player, ("paused", last))
            takes.append(strikes(ardour.take()))
        report = player.stop()
    assert [bar.index for bar in report.bars] == [0, 1, 2, 3]
    # Clock comes and notes go in a circle, in which JACK has to let one of the two wait for a period. Where a busy
    # machine makes Ardour miss a period, its own time stands still for as long, and notes that are on their way do not.
    usual_s, most_s = PERIOD_S + (0.004 if backend == "jack" else PERIOD_S), 5 * PERIOD_S
    for take in takes:
        assert [pitch for _, _, pitch, _ in take][:4] == [60, 61, 62, 63]
        # The first beat is known when its clock has come: its note is handed over after that, or the bar begins on the
        # next of the bar lines, which are two seconds apart.
        off_s = sorted(abs((at_s - beat / 2 + 1) % 2 - 1) for beat, (at_s, *_) in enumerate(take) if beat > 0)
        assert off_s[len(off_s) // 2] <= usual_s
        assert off_s[-1] <= most_s


def test_a_synthesizer_sounds_only_while_notes_do_and_stops_with_the_composer(jack_server, tmp_path, monkeypatch):
    reason = missing_synth()
    if reason is not None:
        pytest.skip(reason)
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    synth = Synth(jack_server, tmp_path)
    try:
        with PlayerProcess.start() as player:
            jack_server.run("jack_connect", PORT, SYNTH)
            synth.record(5)
            player.send(whole_note(0, bpm=240.0), None)
            player.begin(0.2)
            player.send(make_bar(1, (), bpm=240.0), None)
            player.send(whole_note(2, bpm=240.0), None)
            while 2 not in [notice.index for notice in player.poll(1.0) if notice.kind == "started"]:
                continue
            player.poll(0.5)
        # the composer has gone in the middle of the second note
        (first, first_end), (second, second_end) = synth.segments()
    finally:
        synth.close()
    release_s = 0.25
    assert 0.9 < first_end - first < 1.0 + release_s
    assert 1.9 < second - first < 2.1
    assert 0.3 < second_end - second < 0.9
