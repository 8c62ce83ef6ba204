"""``brainmidi continue``: a file goes on, bad input is one line."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest
from bar_models import DreamingModel
from midi_files import write_notes

from brainmidi.cli.main import main
from brainmidi.midi.song import read_song


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_notes("in.mid", [(0, 6, 60), (6, 3, 64), (9, 3, 67)], track="melody", metre=(3, 4))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["continue", *(str(argument) for argument in arguments)])
    return (int(end.value.code or 0), *capsys.readouterr())


def test_a_file_goes_on_for_so_many_bars(capsys, monkeypatch):
    monkeypatch.setattr("brainmidi.models.stepper.TransformerStepper", lambda folder: DreamingModel(2))
    code, out, err = run(capsys, "in.mid", "-o", "out.mid", "--bars", 4, "--parts", "melody,bass", "--chords", "C G")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "out.mid written: in.mid to beat 12, then 4 bars of 3/4 in C major"
    before, after = read_song(Path("in.mid")), read_song(Path("out.mid"))
    assert after.notes[:3] == before.notes
    assert {note.track for note in after.notes[3:]} == {"melody", "bass"}
    assert all(12 <= note.start < note.end <= 24 for note in after.notes[3:])
    assert after.metres == before.metres
    assert [track.name for track in mido.MidiFile("out.mid").tracks] == ["melody", "bass"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nothing.mid", "-o", "out.mid"), "No such file"),
        (("empty.mid", "-o", "out.mid"), "no notes to go on from"),
        (("in.mid", "-o", "out.mid", "--bars", 0), "--bars"),
        (("in.mid", "-o", "out.mid", "--style", "techno"), "choose from any, bach, haydn"),
        (("in.mid", "-o", "out.mid", "--parts", "melody,drums"), "melody, bass, accompaniment"),
        (("in.mid", "-o", "out.mid", "--parts", ","), "melody, bass, accompaniment"),
        (("in.mid", "-o", "out.mid", "--key", "H"), "key 'H' is not understood"),
        (("in.mid", "-o", "out.mid", "--chords", "C X"), "chord 'X' is not understood"),
        (("in.mid", "-o", "out.mid", "--chords", "C G C G |"), "room for 3"),
        (("in.mid", "-o", "out.mid", "--temperature", "nan"), "temperature"),
        (("in.mid", "-o", "out.mid", "--checkpoint", "nothing"), "checkpoint 'nothing' not found"),
        (("in.mid", "-o", "out.mid", "--checkpoint", "music-transformer_chorales"), "one of bars is needed"),
        (("in.mid", "-o", "out.mid", "--checkpoint", "hier-mel_2bar"), "a transformer is needed"),
        (("in.mid", "-o", "in.mid"), "give the output another name"),
        (("in.mid", "-o", "out.wav"), ".mid is needed"),
        (("in.mid", "-o", "nowhere/out.mid"), "make it first"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, options, message):
    monkeypatch.setattr("brainmidi.models.stepper.TransformerStepper", lambda folder: DreamingModel(2))
    write_notes("empty.mid", [])
    code, out, err = run(capsys, *options)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not Path("out.mid").exists()
