"""A real recording as a device that fails: whether the music goes on and ends, and the brain is heard again.

The device is watched, conditioned and mapped by what plays live, on the virtual clock; the voices are plain ones, since
it is not the models that are asked here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy import stats

from brainmidi.acquire.watch import Watch
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.controls.baseline import fit_baseline
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.offline import Signal
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles, TakeKeeper
from brainmidi.errors import BrainmidiError
from brainmidi.evaluate.eegfigure import Figure
from brainmidi.evaluate.eyes import load_eyes
from brainmidi.evaluate.failing import KINDS, FailingDevice, Fault, plan
from brainmidi.evaluate.onset import live_frames
from brainmidi.evaluate.resample import bootstrap
from brainmidi.features.settings import FeatureSettings
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.phrase import MODEL_LENGTH, Anchor, beat_of, phrase_from_steps
from brainmidi.music.voices import Constraint, Float32Array, Surroundings, VoiceState
from brainmidi.session import Session, SessionSetup
from brainmidi.types import Chunk, ControlFrame, FloatArray, Montage, Note, Phrase

MOMENTS, SEEN_BAR_S = 200, 1.0

_CHANNELS = ("Fz", "Cz", "Pz", "O1", "Oz", "O2", "T7", "T8")
_STEPS = 32


class _Beats:
    """A melody of an allowed pitch on each beat, whatever the latent."""

    def encode(self, phrase: Phrase) -> Float32Array:
        return np.zeros(1, dtype=np.float32)

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        return np.full(1, mix, dtype=np.float32)

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        notes = [] if prefix is None else [note for note in prefix if note.start < MODEL_LENGTH / 2]
        for step in range(_STEPS // 2 if notes else 0, _STEPS, 4):
            pitch = int(np.argmax(constraint.pitch_bias[step] + rng.gumbel(size=128)))
            notes.append(Note(beat_of(step), Fraction(1), pitch))
        return Phrase(tuple(notes), MODEL_LENGTH)


class _Silence:
    """A second part that rests."""

    def initial(self) -> VoiceState:
        return None

    def continue_bar(
        self,
        state: VoiceState,
        around: Surroundings,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[VoiceState, Phrase]:
        return state, Phrase((), Fraction(len(constraint), 4))


@dataclass(frozen=True, slots=True)
class Unplugged:
    """What came of it.

    Parameters
    ----------
    faults : tuple of Fault
    raised : int
        Exceptions that ended the take.
    hung : int
        Notes that sounded when all was over.
    seen_s : ndarray
        For each fault that takes samples away for a second or more, after what time that was told.
    back_s : ndarray, shape (n_faults,)
        After the end of each, how long until the knobs were driven again; infinite where they never were.
    """

    faults: tuple[Fault, ...]
    raised: int
    hung: int
    seen_s: FloatArray
    back_s: FloatArray


def unplug(recording: Chunk, moments: int = MOMENTS, seed: int = 1) -> Unplugged:
    """Play live, on the virtual clock, from a device that sends `recording` and fails so many times."""
    faults, clock, output = plan(moments, seed), VirtualClock(), RecordingOutput()
    watch = Watch(FailingDevice(clock, recording, faults), background=False)
    said: list[tuple[float, str]] = []
    frames: list[ControlFrame] = []
    watch.log.tell = lambda line: said.append((clock.now_s(), line))
    chain = _HeardChain(recording, frames)
    key, metre = Key.parse("C major"), Metre.parse("4/4")
    phrase = phrase_from_steps([[step, 4, 60] for step in range(0, _STEPS, 4)])
    end_s = faults[-1].until_s + 15.0
    anchors = (Anchor("beats", phrase, phrase),)
    progression = Progression.parse("", key)
    setup = SessionSetup(key, metre, progression, anchors, tempo_bpm=60.0, tempo_span=0.0, bars=int(end_s / 4))
    session, raised = Session(setup, _Beats(), _Silence()), 0
    # A knob goes out between the notes, so that the stream is read every 50 ms as it is live.
    settings = PlayerSettings(controls=(ControlRule("latent_mix", 16, number=21),))
    with tempfile.TemporaryDirectory() as folder:
        files = TakeFiles(Path(folder) / "take.mid")
        with (
            TakeKeeper(files, metre="4/4", key=key, autosave=False) as keeper,
            LocalPlayer(clock, output, settings=settings) as player,
        ):
            signal = Signal(watch, chain, 4.0, "the recording itself")
            try:
                Performance(signal, lambda: session, player, clock, keeper, virtual=True).run()
            except (BrainmidiError, OSError, ValueError, ArithmeticError, LookupError):
                raised = 1
    times_s = np.array([frame.time_s for frame in frames if frame.confidence > 0])
    back_s = np.array([_next(times_s, fault.until_s + 0.01) for fault in faults])
    lost_s = np.array([at_s for at_s, line in said if "lost" in line])
    away = [fault for fault in faults if fault.until_s - fault.at_s >= SEEN_BAR_S]
    seen_s = np.array([_next(lost_s, fault.at_s) for fault in away])
    return Unplugged(faults, raised, _sounding(output.sent), seen_s, back_s)


def figures(data: Path, progress: Callable[[str], None] = lambda line: None, moments: int = MOMENTS) -> list[Figure]:
    """Return what becomes of the music when a device that sends the eyes-open recording fails."""
    progress(f"unplugging: a device fails at {moments} random moments")
    opened = load_eyes(data).opened
    columns = [opened.montage.names.index(name) for name in _CHANNELS]
    recording = Chunk(opened.samples_uv[:, columns], opened.time_s, Montage(_CHANNELS, opened.montage.rate_hz))
    found = unplug(recording, moments)
    came_back = int(np.isfinite(found.back_s).sum())
    exact = stats.binomtest(came_back, moments).proportion_ci()
    seen, back = ([values[at : at + 1] for at in range(len(values))] for values in (found.seen_s, found.back_s))
    low_s, high_s = bootstrap(back, _median, np.random.default_rng(1))
    told_low_s, told_high_s = bootstrap(seen, _median, np.random.default_rng(1))
    note = f"{moments} moments: it {', '.join(KINDS)}"
    return [
        Figure("unplugging", "exceptions", found.raised, bar=0.0, at_most=True, note=note),
        Figure("unplugging", "notes that hung", found.hung, bar=0.0, at_most=True),
        Figure("unplugging", "brain heard again, share", came_back / moments, exact.low, exact.high, 1.0),
        Figure("unplugging", "heard again after (s), median", _median(found.back_s), low_s, high_s),
        Figure("unplugging", "heard again after (s), longest", float(found.back_s.max())),
        Figure("unplugging", "loss told after (s), median", _median(found.seen_s), told_low_s, told_high_s),
        Figure("unplugging", "loss told after (s), longest", float(found.seen_s.max()), None, None, SEEN_BAR_S, True),
    ]


class _HeardChain(SignalChain):
    """The live chain, its baseline that of the whole recording, and every control frame kept."""

    def __init__(self, recording: Chunk, frames: list[ControlFrame]) -> None:
        super().__init__(
            recording.montage,
            condition=ConditionSettings(),
            features=FeatureSettings(),
            control_map=DEFAULT_MAP,
            baseline=fit_baseline(live_frames(recording)),
        )
        self._heard = frames

    def process(self, chunk: Chunk) -> list[ControlFrame]:
        """Return the control frames that became due, and keep them."""
        new = super().process(chunk)
        self._heard.extend(new)
        return new


def _next(times_s: FloatArray, after_s: float) -> float:
    """Return how long after a moment the next of `times_s` is; infinite where there is none."""
    place = int(np.searchsorted(times_s, after_s))
    return float(times_s[place] - after_s) if place < len(times_s) else float("inf")


def _sounding(sent: Sequence[tuple[int, ...]]) -> int:
    """Return how many notes sound after the last message."""
    open_notes = set()
    for data in sent:
        if data[0] & 0xF0 == 0x90 and data[2]:
            open_notes.add((data[0] & 15, data[1]))
        elif data[0] & 0xF0 in (0x80, 0x90):
            open_notes.discard((data[0] & 15, data[1]))
    return len(open_notes)


def _median(values: FloatArray) -> float:
    return float(np.sort(values)[len(values) // 2])
