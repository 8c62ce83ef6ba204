"""The player's state machine: bars go in, messages come out when due. No thread, no process, no time of its own."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, inf
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError
from brainmidi.midi.tempo import TempoMap
from brainmidi.midi.wire import (
    TICKS_PER_BEAT,
    Message,
    Segment,
    TimedEvent,
    pack_beat,
    pack_events,
    unpack_segment,
)

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.midi.ports import Output
    from brainmidi.types import Clock

#: Control changes a second, all knobs together: plenty for the ear, and a tenth of what a MIDI cable carries.
_MOST_CONTROLS = 100

_SUSTAIN, _SOUND_OFF, _NOTES_OFF = 64, 120, 123


class PlayerCore:
    """Plays bars on an output, to absolute deadlines, and never leaves a note open.

    Call :meth:`handle` with every message, :meth:`advance` when :attr:`deadline_s` has come, and send what
    :meth:`take_notices` returns to the composer. A bar that is not there on its first beat is replaced by the fallback
    given beforehand; where the bar that should have brought the fallback is itself late, the music last played as a
    fallback is repeated; where the composer said that there is nothing to fall back to, the bar is a rest.

    Parameters
    ----------
    clock : Clock
        Only read, never slept on.
    output : Output
        Where messages go.
    silence_after_s : float, optional
        Stop by itself when nothing was heard from the composer for this long while playing; None never does.
    controllers : mapping of str to (int, int), optional
        MIDI channel 1..16 and controller number of each knob that is sent out; none by default.
    """

    def __init__(
        self,
        clock: Clock,
        output: Output,
        *,
        silence_after_s: float | None = None,
        controllers: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self._clock = clock
        self._output = output
        self._silence_after_s = silence_after_s
        self._controllers = dict(controllers or {})
        self._heard_s = clock.now_s()
        self._origin_s: float | None = None
        self._tempo: TempoMap | None = None
        self._bars: dict[int, Segment] = {}
        self._fallbacks: dict[int, Segment | None] = {}
        self._current: Segment | None = None
        self._position = 0
        self._last_index: int | None = None
        self._open: set[tuple[int, int]] = set()
        self._channels: set[int] = set()
        self._controller_pause_s = 1 / max(1, _MOST_CONTROLS // max(1, len(self._controllers)))
        self._controller_values: dict[str, tuple[int, float]] = {}  # what was sent last, and when
        self._sent: list[TimedEvent] = []
        self._played: list[Message] = []
        self._late: list[int] = []
        self._lateness_s: list[float] = []
        self._worst_s = 0.0
        self._first_note_s: float | None = None
        self._end_beat = Fraction(0)
        self._notices: list[Message] = []
        self.done = False
        self.reason: str | None = None

    # ------------------------------------------------------------------------------------------------ messages in

    def handle(self, message: Message) -> None:
        """Take one message from the composer; everything due by now has to be played before.

        Raises
        ------
        MidiError
            If the message is not one of ours.
        """
        self._heard_s = self._clock.now_s()
        match message.get("op"):
            case "bar":
                self._take_bar(message)
            case "begin":
                self._origin_s = float(message["at_s"])
            case "knobs":
                self._take_knobs(message["values"])
            case "heartbeat":
                pass
            case "panic":
                self._silence()
            case "finish":
                self._finish(message["last"])
            case "stop":
                self.stop(None)
            case other:
                raise MidiError(f"message {other!r} is not known to the player; use the same brainmidi on both sides")

    def _take_bar(self, message: Message) -> None:
        segment = unpack_segment(message["bar"])
        fallback = message["fallback"]
        if segment.index >= self._next_index():
            self._bars[segment.index] = segment
        if segment.index + 1 >= self._next_index():
            self._fallbacks[segment.index + 1] = None if fallback is None else unpack_segment(fallback)

    def _take_knobs(self, values: Mapping[str, float]) -> None:
        if self._current is None or self.done:
            return
        now_s = self._clock.now_s()
        for name, (channel, controller) in self._controllers.items():
            if name not in values:
                continue
            value = min(127, max(0, round(127 * values[name])))
            before, sent_s = self._controller_values.get(name, (-1, -inf))
            if value == before or now_s < sent_s + self._controller_pause_s:
                continue
            tick = self._control_tick(channel - 1)
            if self._next_beat(self._current) * TICKS_PER_BEAT < tick + 1:
                return  # a note is due on this very tick and goes first; the next line tells where the knobs stand
            self._controller_values[name] = (value, now_s)
            self._send(TimedEvent(Fraction(tick, TICKS_PER_BEAT), 1, (0xB0 | channel - 1, controller, value)))

    def _finish(self, last_index: int) -> None:
        self._last_index = last_index
        if self._origin_s is None or (self._current is None and not self._bars):
            self.done = True
        elif self._current_index() > last_index:  # the word came late: what stands in for a bar too many is cut here
            self.stop(None)

    def stop(self, reason: str | None) -> None:
        """End the take now: every open note gets its note-off and nothing more is played.

        Parameters
        ----------
        reason : str or None
            Why, when it was not the composer who asked.
        """
        if self.done:
            return
        self.reason = reason
        if self._playing() and self._sent:
            self._end_beat = self._silence()
        elif self._playing():
            self._end_beat = self._beat_now()
        self.done = True
        if reason is not None:
            self._notices.append({"kind": "stopped", "index": self._current_index(), "detail": reason})

    def abandon(self, reason: str) -> None:
        """End the take without another message, because the output takes none any more."""
        if not self.done:
            self._end_beat = self._beat_now()
            self.done, self.reason = True, reason
            self._notices.append({"kind": "stopped", "index": self._current_index(), "detail": reason})

    # ------------------------------------------------------------------------------------------------------ playing

    @property
    def deadline_s(self) -> float | None:
        """Clock time of the next thing to do, or None where only a message can bring one."""
        if self.done:
            return None
        due_s = self._due_s()
        if self._silence_after_s is None or not self._playing():
            return due_s
        silence_s = self._heard_s + self._silence_after_s
        return silence_s if due_s is None else min(due_s, silence_s)

    def advance(self) -> None:
        """Do everything that is due by now."""
        while not self.done:
            now_s = self._clock.now_s()
            due_s = self._due_s()
            if due_s is not None and due_s <= now_s:
                self._step(due_s)
            elif self._composer_is_silent(now_s):
                self.stop(f"nothing heard from the composer for {self._silence_after_s:g} s")
            else:
                return

    def _composer_is_silent(self, now_s: float) -> bool:
        limit_s = self._silence_after_s
        return limit_s is not None and self._playing() and now_s >= self._heard_s + limit_s

    def _due_s(self) -> float | None:
        """Clock time of the next message or bar line; None before the take and while bar 0 is not there."""
        if self._origin_s is None:
            return None
        if self._current is None:
            return self._origin_s if 0 in self._bars else None
        return self._clock_s(self._next_beat(self._current))

    def _next_beat(self, current: Segment) -> Fraction:
        return current.events[self._position].beat if self._position < len(current.events) else current.end

    def _step(self, due_s: float) -> None:
        if self._current is None:
            # Bar 0 has nothing to stand in for it: if it comes after its beat, the take begins when it comes.
            self._origin_s = max(due_s, self._heard_s)
            self._enter(self._bars.pop(0))
        elif self._position < len(self._current.events):
            event = self._current.events[self._position]
            self._position += 1
            self._play(event, due_s)
        elif self._current.index == self._last_index:
            self._end_beat = self._current.end
            self.done = True
        else:
            self._enter(self._next_segment(self._current))

    def _next_segment(self, current: Segment) -> Segment:
        index = current.index + 1
        fallback = self._fallbacks.pop(index, current if current.kind != "bar" else None)
        segment = self._bars.pop(index, None)
        if segment is not None:
            return segment
        self._late.append(index)
        self._notices.append({"kind": "late", "index": index, "detail": "not there on its first beat"})
        if fallback is None:
            return Segment(index, current.end, current.length, current.bpm, (), "rest", index)
        return fallback.moved(index, current.end)

    def _enter(self, segment: Segment) -> None:
        if self._tempo is None:
            self._tempo = TempoMap.steady(segment.bpm)
        self._tempo = self._tempo.with_tempo(segment.start, segment.bpm)
        self._current, self._position = segment, 0
        self._played.append(
            {
                "index": segment.index,
                "start": pack_beat(segment.start),
                "kind": segment.kind,
                "source": segment.source,
            }
        )
        self._notices.append(
            {
                "kind": "started",
                "index": segment.index,
                "time_s": self._clock_s(segment.start),
                "fallback": segment.kind != "bar",
                "lateness_ms": self._worst_s * 1000.0,
            }
        )
        self._worst_s = 0.0

    def _play(self, event: TimedEvent, due_s: float) -> None:
        status, pitch = event.data[0] & 0xF0, event.data[1]
        key = (event.data[0] & 0x0F, pitch)
        strikes = status == 0x90 and event.data[2] > 0
        if not strikes and status in (0x80, 0x90) and key not in self._open:
            return  # a panic has closed it already
        if strikes and key in self._open:
            self._send(TimedEvent(event.beat, 0, (0x80 | key[0], pitch, 0)))
        lateness_s = self._clock.now_s() - due_s
        self._lateness_s.append(lateness_s)
        self._worst_s = max(self._worst_s, lateness_s)
        if strikes and self._first_note_s is None:
            self._first_note_s = due_s + lateness_s
        self._send(event)

    def _send(self, event: TimedEvent) -> None:
        self._output.send(event.data)
        self._sent.append(event)
        status, key = event.data[0] & 0xF0, (event.data[0] & 0x0F, event.data[1])
        self._channels.add(event.data[0] & 0x0F)
        if status == 0x90 and event.data[2] > 0:
            self._open.add(key)
        elif status in (0x80, 0x90):
            self._open.discard(key)

    def _silence(self) -> Fraction:
        """Close every open note, then tell every channel used to let go; return the beat on which it was done."""
        beat = self._beat_now()
        for channel, pitch in sorted(self._open):
            self._send(TimedEvent(beat, 0, (0x80 | channel, pitch, 0)))
        for channel in sorted(self._channels):
            for controller in (_SUSTAIN, _NOTES_OFF, _SOUND_OFF):
                self._send(TimedEvent(beat, 1, (0xB0 | channel, controller, 0)))
        return beat

    # -------------------------------------------------------------------------------------------------- small things

    def _playing(self) -> bool:
        return self._current is not None and not self.done

    def _current_index(self) -> int:
        return -1 if self._current is None else self._current.index

    def _next_index(self) -> int:
        return self._current_index() + 1

    def _clock_s(self, beat: Fraction) -> float:
        if self._origin_s is None or self._tempo is None:
            raise MidiError(f"beat {beat} has no time before the take has begun; call begin first")
        return self._origin_s + self._tempo.seconds(beat)

    def _beat_now(self) -> Fraction:
        """Return the beat of this moment on the file's grid, after everything sent so far."""
        tick = self._tick_now()
        if self._sent:
            tick = max(tick, ceil(self._sent[-1].beat * TICKS_PER_BEAT) + 1)
        return Fraction(tick, TICKS_PER_BEAT)

    def _control_tick(self, channel: int) -> int:
        """Return the tick of a control change sent now, such that the file, sorted by rank and track, keeps its place.

        It may share the tick of a note-off, which a file has first, and of a control change on its own track.
        """
        tick = self._tick_now()
        if not self._sent:
            return tick
        last = self._sent[-1]
        shared = last.rank == 0 or (last.rank == 1 and last.data[0] & 0x0F == channel)
        return max(tick, ceil(last.beat * TICKS_PER_BEAT) + (0 if shared else 1))

    def _tick_now(self) -> int:
        if self._origin_s is None or self._tempo is None:
            return 0
        beat = self._tempo.beat(max(0.0, self._clock.now_s() - self._origin_s))
        return int(beat * TICKS_PER_BEAT // 1)

    # ---------------------------------------------------------------------------------------------- messages out

    def take_notices(self) -> list[Message]:
        """Return what has happened since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def report(self) -> dict[str, Any]:
        """Return what was played, as plain data: exactly the messages that went to the output, with their beats."""
        lateness_ms = sorted(1000.0 * lateness_s for lateness_s in self._lateness_s)
        return {
            "events": pack_events(tuple(self._sent)),
            "played": self._played,
            "late": self._late,
            "lateness_ms": [_quantile(lateness_ms, share) for share in (0.5, 0.99, 1.0)],
            "first_note_s": self._first_note_s,
            "begun_s": self._origin_s,
            "end_beat": pack_beat(self._end_beat),
            "reason": self.reason,
        }


def _quantile(ordered: list[float], share: float) -> float:
    """Return the smallest value that `share` of `ordered` do not exceed; 0 where there is none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0
