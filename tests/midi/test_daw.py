"""A real DAW at the port: what Ardour records is what we save, and what sounds is what was played."""

from __future__ import annotations

import pytest
from midi_daw import SYNTH, TRACK, Ardour, Synth, missing_daw, missing_synth, strikes
from midi_jack import PORT, Composer, Program
from midi_takes import make_bar, whole_note

from brainmidi.midi.link import PlayerProcess

pytestmark = [pytest.mark.port, pytest.mark.daw]

#: A message that goes out through rtmidi leaves with a period, so that its distance to another is a period off at most;
#: one that goes out on its frame is as far off as Ardour's and our own ticks are apart.
PERIOD_S, TICK_S = 1024 / 48000, 60 / 120 / 960


@pytest.fixture(scope="module")
def ardour(jack_server, tmp_path_factory):
    reason = missing_daw()
    if reason is not None:
        pytest.skip(reason)
    daw = Ardour(jack_server, tmp_path_factory.mktemp("ardour"))
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
        ardour.tell("record")
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
    ardour.tell("record")
    program = Program(jack_server, path, n_bars=4, seed=1, port=TRACK)
    try:
        program.process.communicate(timeout=120)
    finally:
        program.close()
    assert program.process.returncode == 0
    ardour.tell("stop")
    compare(ardour.take(), path)


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
