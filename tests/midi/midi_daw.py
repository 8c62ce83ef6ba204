"""Ardour without its window, a sounding consumer, and what they made of what our port sent."""

from __future__ import annotations

import shutil
import subprocess
import wave
from contextlib import suppress
from pathlib import Path

import mido
import numpy as np
from midi_jack import JackServer

#: Ardour's name for its interpreter has its version in it.
LUA = next(filter(shutil.which, ("ardour8-lua", "ardour7-lua")), None)
FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SYNTH, SYNTH_LEFT = "fluidsynth-midi:midi_00", "fluidsynth-midi:left"
TRACK = "daw:brain/midi_in 1"
CLOCK_OUT = "daw:MIDI Clock out"
#: Ardour sends its clock only where it was told to, in the user's configuration.
CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour><Config>
  <Option name="send-midi-clock" value="1"/>
  <Option name="auto-connect-standard-busses" value="0"/>
</Config></Ardour>
"""


def missing_daw() -> str | None:
    """Return why there can be no DAW, or None."""
    return "ardour7-lua not installed: apt-get install ardour" if LUA is None else None


def missing_synth() -> str | None:
    """Return why there can be no synthesizer, or None."""
    missing = [program for program in ("fluidsynth", "jack_rec") if shutil.which(program) is None]
    missing += [] if FONT.exists() else [str(FONT)]
    return f"{', '.join(missing)} not installed: apt-get install fluidsynth timgm6mb-soundfont" if missing else None


class Ardour:
    """A headless session that records one MIDI track; its settings and files lie in `folder`."""

    def __init__(self, server: JackServer, folder: Path) -> None:
        self.server, self.folder = server, folder / "session"
        home = folder / "home"
        (home / "ardour7").mkdir(parents=True)
        (home / "ardour7" / "config").write_text(CONFIG)
        self.log = (folder / "ardour.txt").open("w")
        script = Path(__file__).with_name("ardour_session.lua")
        self.process = subprocess.Popen(
            [str(LUA), str(script), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**server.everything(), "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
            text=True,
            bufsize=1,
        )

    @classmethod
    def start(cls, server: JackServer, folder: Path) -> Ardour:
        """Return a session whose ports are there; Ardour loses the server now and then while it makes them."""
        for attempt in range(5):
            ardour = cls(server, folder / str(attempt))
            if ardour.hears("ready") and {TRACK, CLOCK_OUT} <= set(server.run("jack_lsp").splitlines()):
                return ardour
            ardour.close()
        raise AssertionError(f"Ardour does not come up; see {folder}")

    def hears(self, word: str) -> bool:
        """Wait until Ardour says `word`; return whether it did."""
        return any(line.strip() == word for line in self.process.stdout)

    def tell(self, command: str) -> None:
        """Have a command of ardour_session.lua done."""
        self.process.stdin.write(command + "\n")
        assert self.hears("done"), f"Ardour ended at {command!r}; see {self.log.name}"

    def listen(self, port: str) -> None:
        """Connect a port of ours to the track."""
        self.server.run("jack_connect", port, TRACK)

    def take(self) -> Path:
        """Return the newest recording; Ardour also keeps empty files for takes to come."""
        files = sorted(self.folder.glob("interchange/*/midifiles/*.mid"), key=lambda path: path.stat().st_mtime)
        takes = [path for path in files if strikes(path)]
        assert takes, "Ardour recorded nothing"
        return takes[-1]

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.log.close()


def strikes(path: Path) -> list[tuple[float, int, int, int]]:
    """Return (seconds, channel, pitch, velocity) of every note struck, in the file's order."""
    rows, now_s = [], 0.0
    for message in mido.MidiFile(path):
        now_s += message.time
        if message.type == "note_on" and message.velocity:
            rows.append((now_s, message.channel, message.note, message.velocity))
    return rows


class Synth:
    """fluidsynth with an organ, which sounds as long as a key is held, and `jack_rec`, which records it."""

    def __init__(self, server: JackServer, folder: Path) -> None:
        self.path, self.server = folder / "sound.wav", server
        (folder / "programs").write_text("prog 0 19\nprog 1 19\n")
        command = ["fluidsynth", "-is", "-a", "jack", "-m", "jack", "-o", "synth.reverb.active=0"]
        command += ["-o", "synth.chorus.active=0", "-f", str(folder / "programs"), str(FONT)]
        self.process = self._start(*command)
        self.recorder: subprocess.Popen[bytes] | None = None
        while SYNTH_LEFT not in server.run("jack_lsp").splitlines():
            assert self.process.poll() is None, "fluidsynth ended"

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.server.everything(),
        )

    def record(self, seconds: int) -> None:
        """Write down the next seconds of sound."""
        self.recorder = self._start("jack_rec", "-f", str(self.path), "-d", str(seconds), "-b", "16", SYNTH_LEFT)
        while not any("rec" in line for line in self.server.run("jack_lsp").splitlines()):
            assert self.recorder.poll() is None, "jack_rec ended"

    def segments(self, window_s: float = 0.02) -> list[tuple[float, float]]:
        """Wait until the recording ends; return (begin, end) in seconds of each stretch that is not silence."""
        assert self.recorder is not None
        self.recorder.wait(30)
        with wave.open(str(self.path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
            size = round(window_s * file.getframerate())
        loud = np.sqrt((samples[: samples.size // size * size].reshape(-1, size) ** 2).mean(axis=1)) > 30.0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
        return [(begin * window_s, end * window_s) for begin, end in edges.reshape(-1, 2)]

    def close(self) -> None:
        for process in (self.recorder, self.process):
            if process is not None:
                process.terminate()
                process.wait(20)
