"""The player's state machine: bars go in, messages come out when due. No thread, no process, no time of its own."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError
from brainmidi.midi.barqueue import BarQueue
from brainmidi.midi.clockmaster import Pulses
from brainmidi.midi.controls_out import ControlsOut
from brainmidi.midi.followed import timeline_of
from brainmidi.midi.keys import ACTIONS, Keys
from brainmidi.midi.playlog import PlayLog
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.sounding import Sounding, is_release, is_strike
from brainmidi.midi.timeline import Timeline
from brainmidi.midi.wire import (
    TICKS_PER_BEAT,
    Message,
    Segment,
    TimedEvent,
    pack_beat,
    pack_events,
)

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.midi.ledger import Ledger
    from brainmidi.midi.ports import Output
    from brainmidi.types import Clock


class PlayerCore:
    """Plays bars on an output, to absolute deadlines, and never leaves a note open.

    Call :meth:`handle` with every message of the composer's, :meth:`hear` with every one of the performer's,
    :meth:`advance` when :attr:`deadline_s` has come, and send what :meth:`take_notices` returns to the composer. A bar
    that is not there on its first beat is replaced by the fallback given beforehand; where the bar that should have
    brought the fallback is itself late, the music last played as a fallback is repeated; where the composer said that
    there is nothing to fall back to, the bar is a rest. While the performer holds, the bar that sounds is repeated.

    Parameters
    ----------
    clock : Clock
        Only read, never slept on.
    output : Output
        Where messages go.
    silence_after_s : float, optional
        Stop by itself when nothing was heard from the composer for this long while playing; None never does.
    settings : PlayerSettings, optional
        What goes out as control changes, and which of the performer's keys mean what; nothing by default.
    timeline : Timeline, optional
        Says when each beat falls; by default as the settings' clock has it.
    ledger : Ledger, optional
        Where the open notes stand should this process be killed. What a killed one left open is closed at once, and
        again when the music begins, since a new port may have nobody listening yet.
    """

    def __init__(
        self,
        clock: Clock,
        output: Output,
        *,
        silence_after_s: float | None = None,
        settings: PlayerSettings | None = None,
        timeline: Timeline | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._clock = clock
        self._silence_after_s = silence_after_s
        self._heard_s = clock.now_s()
        settings = settings or PlayerSettings()
        self._ahead_s = output.ahead_s
        self._nudge_s = settings.clock.nudge_s
        self._count_in = settings.clock.count_in
        self._timeline = timeline or timeline_of(settings.clock)
        self._pulses = Pulses(settings.clock)
        self._sounding = Sounding(output, ledger)
        self._controls = ControlsOut(settings.controls)
        self._keys = Keys(settings.keys)
        self._marked = settings.marked - 1
        self._queue = BarQueue()
        self._current: Segment | None = None
        self._position = 0
        self._last_index: int | None = None
        self._held = False
        self._log = PlayLog()
        self._end_beat = Fraction(0)
        self.done = False
        self.reason: str | None = None
        self._sounding.clear()

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
                self._queue.put(message["bar"], message["fallback"], self._next_index())
                if message["bar"].index == 0:
                    self._get_ready()
            case "begin":
                self._sounding.clear()
                self._timeline.begin(float(message["at_s"]))
                self._get_ready()
            case "knobs":
                self._controls.aim(message["values"], self._heard_s)
            case "heartbeat":
                pass
            case action if action in ACTIONS:
                self._act(action, message.get("on"))
            case "finish":
                self._finish(message["last"])
            case "stop":
                self.stop(None)
            case other:
                raise MidiError(f"message {other!r} is not known to the player; use the same brainmidi on both sides")

    def hear(self, data: tuple[int, ...], time_s: float) -> None:
        """Take one message of the performer's, which arrived at clock time `time_s`; all due by now has been played."""
        if self.done:
            return
        if data[0] >= 0xF0:
            self._timeline.hear(data, time_s)
            self._follow(time_s)  # the bar line that it arrived on, however long it waited for us since
            return
        asked = self._keys.take(data)
        if asked is not None:
            self._act(*asked)
            return
        beat = None if self._current is None else self._timeline.beat(time_s)
        self._log.heard(self._current_index(), data, time_s, beat)

    def _act(self, action: str, on: bool | None) -> None:
        """Do what a key asks for. `on` is False where it was let go, None where it has no second state."""
        match action:
            case "panic" if on is not False and self._sounding.used:
                self._silence()
            case "hold":
                self._held = not self._held if on is None else on
            case "capture" | "release" if on is not False:
                pass
            case _:
                return
        detail = ("on" if self._held else "off") if action == "hold" else ""
        self._log.notice(action, self._current_index(), detail=detail)

    def _get_ready(self) -> None:
        """Set clock and count-in going as soon as there are both bar 0 and a time for it."""
        first = self._queue.first
        if first is not None and self._timeline.begun and self._current is None:
            self._timeline.enter(first.start, first.bpm)  # a count-in goes by bar 0's tempo
            self._pulses.roll(first.start, first.length, self._count_in)

    def _finish(self, last_index: int) -> None:
        self._last_index = last_index
        if not self._timeline.begun or (self._current is None and not self._queue):
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
        self._halt_pulses()
        self._end_beat = self._silence()
        self.done = True
        if reason is not None:
            self._log.notice("stopped", self._current_index(), detail=reason)

    def abandon(self, reason: str) -> None:
        """End the take without another message, because the output takes none any more."""
        if not self.done:
            self._end_beat = self._beat_now()
            self.done, self.reason = True, reason
            self._log.notice("stopped", self._current_index(), detail=reason)

    # ------------------------------------------------------------------------------------------------------ playing

    @property
    def deadline_s(self) -> float | None:
        """Clock time of the next thing to do, or None where only a message can bring one."""
        if self.done:
            return None
        wanted_s = [self._due_s(), self._timeline.deadline_s]
        if self._playing():
            wanted_s.append(self._controls_s())
            if self._silence_after_s is not None:
                wanted_s.append(self._heard_s + self._silence_after_s)
        return min((each for each in wanted_s if each is not None), default=None)

    def advance(self) -> None:
        """Do everything that is due by now."""
        while not self.done:
            now_s = self._clock.now_s()
            self._follow(now_s)
            due_s = self._due_s()
            if self.done:
                return
            if due_s is not None and due_s <= now_s:
                self._step(due_s)
            elif self._composer_is_silent(now_s):
                self.stop(f"nothing heard from the composer for {self._silence_after_s:g} s")
            else:
                self._send_controls(now_s)
                return

    def _controls_s(self) -> float | None:
        """Clock time of the next control change; None where a note is due on its tick, which goes first."""
        wanted_s = self._controls.deadline_s
        if wanted_s is None or self._current is None or self._stands(self._current):
            return None if self._current is None else wanted_s
        free = self._sounding.free_tick(self._tick_now()) + self._controls.n_channels
        return wanted_s if self._next_beat(self._current) * TICKS_PER_BEAT >= free else None

    def _send_controls(self, now_s: float) -> None:
        wanted_s = self._controls_s()
        if self._current is None or wanted_s is None or wanted_s > now_s:
            return
        stands = self._stands(self._current)
        for rule, messages in self._controls.due(now_s):
            if stands:  # there is no beat for what goes out now, and it is no part of the take
                for data in messages:
                    self._sounding.pulse(data)
                continue
            tick = self._sounding.control_tick(self._tick_now(), rule.channel - 1)
            for data in messages:
                self._sounding.send(TimedEvent(Fraction(tick, TICKS_PER_BEAT), 1, data))

    def _stands(self, current: Segment) -> bool:
        """Return whether a master has stopped, so that nothing to come has a time."""
        return self._timeline.clock_s(current.end) is None

    def _composer_is_silent(self, now_s: float) -> bool:
        limit_s = self._silence_after_s
        return limit_s is not None and self._playing() and now_s >= self._heard_s + limit_s

    def _due_s(self) -> float | None:
        """Clock time of the next message or bar line; None while it has no time, and while bar 0 is not there."""
        beat = self._next_beat(self._current) if self._current is not None else self._first_beat()
        if beat is None:
            return None
        pulse = self._pulses.beat
        due_s = self._timeline.clock_s(beat if pulse is None else min(beat, pulse))
        return None if due_s is None else due_s + self._nudge_s - self._ahead_s

    def _first_beat(self) -> Fraction | None:
        return self._queue.first.start if self._timeline.begun and self._queue.first is not None else None

    def _follow(self, now_s: float) -> None:
        """Go with a master who has stopped, jumped or begun to play since."""
        if self._timeline.look(now_s):
            self._pause()
        first = self._queue.first
        if self.done or not self._timeline.waits or (self._current is None and first is None):
            return
        if self._current is not None:
            start, length, bars_before = self._current.end, self._current.length, 0
        elif first is not None:
            start, length, bars_before = first.start, first.length, self._count_in
        self._timeline.place(start, length, now_s, bars_before)
        self._pulses.roll(start, length, bars_before)

    def _pause(self) -> None:
        """Break off the bar that sounds, or the count-in: the next begins where the master's next bar line is."""
        self._halt_pulses()
        beat, current = self._silence(), self._current
        if current is None:
            return
        self._position = len(current.events)
        self._log.notice("paused", current.index)
        if current.index == self._last_index:
            self._end_beat = beat
            self.done = True

    def _halt_pulses(self) -> None:
        for data in self._pulses.halt():
            self._sounding.pulse(data)

    def _next_beat(self, current: Segment) -> Fraction:
        return current.events[self._position].beat if self._position < len(current.events) else current.end

    def _step(self, due_s: float) -> None:
        if self._pulse_is_next():
            self._sounding.pulse(self._pulses.take(), due_s + self._ahead_s)
        elif self._current is None:
            # Bar 0 has nothing to stand in for it: if it comes after its beat, the take begins when it comes.
            self._timeline.begin(max(due_s, self._heard_s) + self._ahead_s - self._nudge_s)
            self._enter(self._queue.take_first())
        elif self._position < len(self._current.events):
            self._play_beat(self._current, due_s + self._ahead_s)
        elif self._current.index == self._last_index:
            self._end_beat = self._current.end
            self.done = True
            self._halt_pulses()
            self._sounding.silence(None, due_s + self._ahead_s)  # the file ends with its last note
        else:
            self._enter(self._next_segment(self._current))

    def _pulse_is_next(self) -> bool:
        """Return whether clock or metronome come next; on one beat they go before a note, and none is on the end."""
        pulse, current = self._pulses.beat, self._current
        if pulse is None:
            return False
        if current is None:
            return pulse <= 0
        return pulse <= self._next_beat(current) and (pulse < current.end or current.index != self._last_index)

    def _next_segment(self, current: Segment) -> Segment:
        if self._held:
            return self._queue.again(current)
        known = len(self._queue.late)
        segment = self._queue.after(current)
        for index in self._queue.late[known:]:
            self._log.notice("late", index, detail="not there on its first beat")
        return segment

    def _enter(self, segment: Segment) -> None:
        self._timeline.enter(segment.start, segment.bpm)
        self._pulses.bar(segment.start, segment.length)
        self._current, self._position = segment, 0
        self._log.began(segment, self._timeline.clock_s(segment.start), self._timeline.bpm)

    def _play_beat(self, current: Segment, due_s: float) -> None:
        """Play all that the bar has on its next beat: a chord's last note does not wait for sums in between."""
        beat = self._next_beat(current)
        while self._position < len(current.events) and current.events[self._position].beat == beat:
            event = current.events[self._position]
            self._position += 1
            self._play(event, due_s)

    def _play(self, event: TimedEvent, due_s: float) -> None:
        is_open = self._sounding.is_open(event.data)
        if is_release(event.data) and not is_open:
            return  # a panic has closed it already
        strikes = is_strike(event.data)
        if strikes and is_open:
            self._sounding.send(TimedEvent(event.beat, 0, (0x80 | event.data[0] & 0x0F, event.data[1], 0)), due_s)
        lateness_s = max(0.0, self._clock.now_s() - due_s)
        self._sounding.send(event, due_s)
        self._log.sent(event.data, due_s, lateness_s)
        if strikes and event.data[0] & 0x0F == self._marked:
            self._log.notice("marked", self._current_index(), time_s=due_s + lateness_s, data=list(event.data))

    def _silence(self) -> Fraction:
        """Close every open note and let every channel used go; return the beat on which it was done, 0 before bar 0."""
        self._sounding.recall()
        beat = self._beat_now()
        self._sounding.silence(beat if self._playing() else None)
        self._controls.forget()
        return beat

    # -------------------------------------------------------------------------------------------------- small things

    def _playing(self) -> bool:
        return self._current is not None and not self.done

    def _current_index(self) -> int:
        return -1 if self._current is None else self._current.index

    def _next_index(self) -> int:
        return self._current_index() + 1

    def _beat_now(self) -> Fraction:
        """Return the beat of this moment on the file's grid, after everything sent so far."""
        return Fraction(self._sounding.free_tick(self._tick_now()), TICKS_PER_BEAT)

    def _tick_now(self) -> int:
        return int(self._timeline.beat(self._clock.now_s() - self._nudge_s) * TICKS_PER_BEAT // 1)

    # ---------------------------------------------------------------------------------------------- messages out

    def take_notices(self) -> list[Message]:
        """Return what has happened since the last call."""
        return self._log.take_notices()

    def report(self) -> dict[str, Any]:
        """Return what was played, as plain data: exactly the messages that went to the output, with their beats."""
        return {
            "events": pack_events(tuple(self._sounding.sent)),
            **self._log.report(),
            "tempi": [[*pack_beat(beat), bpm] for beat, bpm in self._timeline.tempi()],
            "late": self._queue.late,
            "begun_s": self._timeline.begun_s,
            "end_beat": pack_beat(self._end_beat),
            "reason": self.reason,
        }
