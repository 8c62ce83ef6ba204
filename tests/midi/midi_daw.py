"""Ardour without its window, a sounding consumer, and what they made of what our port sent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import mido
from midi_jack import JackServer

NEEDED = ("ardour7-lua", "jack_connect")
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
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed: apt-get install ardour" if missing else None


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
            ["ardour7-lua", str(script), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**server.everything(), "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
            text=True,
            bufsize=1,
        )
        self._await("ready")

    def _await(self, word: str) -> None:
        said = []
        for line in self.process.stdout:
            said.append(line.strip())
            if said[-1] == word:
                return
        raise AssertionError(f"Ardour ended before it said {word}: {said}; see {self.log.name}")

    def tell(self, command: str) -> None:
        """Have a command of ardour_session.lua done."""
        self.process.stdin.write(command + "\n")
        self._await("done")

    def listen(self, port: str) -> None:
        """Connect a port of ours to the track."""
        self.server.run("jack_connect", port, TRACK)

    def take(self) -> Path:
        """Return the newest recording."""
        takes = sorted(self.folder.glob("interchange/*/midifiles/*.mid"), key=lambda path: path.stat().st_mtime)
        assert takes, "Ardour recorded nothing"
        return takes[-1]

    def close(self) -> None:
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
