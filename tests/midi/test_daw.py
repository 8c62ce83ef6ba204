"""A real DAW at the port: what Ardour records is what we save, and what sounds is what was played."""

from __future__ import annotations

import pytest
from midi_daw import TRACK, Ardour, missing_daw, strikes
from midi_jack import Composer, Program

pytestmark = [pytest.mark.port, pytest.mark.daw]

#: A message that goes out through rtmidi leaves with a period, so that its distance to another is a period off at most.
PERIOD_S = 1024 / 48000


@pytest.fixture(scope="module")
def ardour(jack_server, tmp_path_factory):
    reason = missing_daw()
    if reason is not None:
        pytest.skip(reason)
    daw = Ardour(jack_server, tmp_path_factory.mktemp("ardour"))
    yield daw
    daw.close()


def compare(recorded, saved):
    """Assert that Ardour's take and our file hold the same notes, each within a period of where it belongs."""
    ours, theirs = strikes(saved), strikes(recorded)
    assert len(ours) > 20, "too little was played to show anything"
    assert [row[1:] for row in theirs] == [row[1:] for row in ours]
    offsets_s = [theirs_s - ours_s for (theirs_s, *_), (ours_s, *_) in zip(theirs, ours, strict=True)]
    assert max(offsets_s) - min(offsets_s) <= PERIOD_S


def test_ardour_records_the_take_that_is_saved(ardour, jack_server, tmp_path):
    path = tmp_path / "take.mid"
    composer = Composer(jack_server, path, 3, 11)
    try:
        ardour.listen("brainmidi:out")
        ardour.tell("record")
        composer.go()
        composer.await_player(60.0)
        assert composer.process.wait(20) == 0
    finally:
        composer.close()
    ardour.tell("stop")
    compare(ardour.take(), path)


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
