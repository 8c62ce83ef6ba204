"""The live driver's hands: the pump feeds controls, the composer writes one bar ahead, the player plays.

On the real clock pump and composer have a thread each and the main thread looks after all of them. On the virtual clock
the same composer moves clock and pump itself, and nothing waits.
"""

from __future__ import annotations

import signal as signals
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from brainmidi.acquire.pump import Pump
from brainmidi.drivers import assemble
from brainmidi.drivers.chain import TOLERANCE_S, ControlLog
from brainmidi.drivers.composer import Composer
from brainmidi.drivers.desk import Desk
from brainmidi.drivers.offline import Signal, check_reached_music, finished_take
from brainmidi.drivers.take import Take, TakeKeeper
from brainmidi.drivers.trace import Timing
from brainmidi.errors import MidiError, SourceError
from brainmidi.midi.capture import last_bars
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.handover import PlayerNotice, PlayReport
from brainmidi.midi.link import Player
from brainmidi.session import Session
from brainmidi.types import Bar, Chunk, Clock, Deadline, Marker, Phrase

#: So long after a bar line its controls may still arrive; then the newest ones there are will do.
_GRACE_S = 0.25

#: From handing over a bar to its first note: what the wire and the player need.
_BEGIN_S = 0.1

_KNOBS_S = 0.05  # between frames of controls
_LOOK_S = 0.02  # how often a waiting thread looks around
_STOP_S = 10.0  # how long a model may take to come to the end of what it does


class _Stopped(Exception):
    """The take was stopped while the composer waited."""


class Performance:
    """One live take.

    Parameters
    ----------
    signal : Signal
        Source, chain, and when the music starts.
    make_session : callable
        Loads the models; called while the source already streams.
    player : Player
        Open and ready; the caller closes it.
    clock : Clock
        The one that the player goes by.
    keeper : TakeKeeper
        Saves and tells.
    virtual : bool
        Whether `clock` is a virtual one: pump and composer then run in the caller's thread.
    since_s : float or None
        Clock time from which the time to the first note is counted; None for now.
    desk : Desk, optional
        What the performer may do; without one, what comes in is saved and no more.
    clock_settings : ClockSettings, optional
        Those of the player: whose time is kept, and the count-in; our own by default.
    """

    def __init__(
        self,
        signal: Signal,
        make_session: Callable[[], Session],
        player: Player,
        clock: Clock,
        keeper: TakeKeeper,
        *,
        virtual: bool,
        since_s: float | None = None,
        desk: Desk | None = None,
        clock_settings: ClockSettings | None = None,
    ) -> None:
        self._signal = signal
        self._make_session = make_session
        self._player = player
        self._clock = clock
        self._keeper = keeper
        self._virtual = virtual
        self._since_s = clock.now_s() if since_s is None else since_s
        self._desk = Desk() if desk is None else desk
        self._clock_settings = clock_settings or ClockSettings()
        self._keeper.performed = self._desk.performed
        self._log = ControlLog(self._desk.faders.apply)
        self._pump = Pump(signal.source, clock, self._take_in)
        self._origin_s = clock.now_s()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopped_by: str | None = None
        self._bars: dict[int, Bar] = {}
        self._fallbacks: dict[int, Bar] = {}
        self._begun: dict[int, Bar] = {}
        self._heard_stimuli: deque[Marker] = deque()  # sent by the player, not yet seen by the pump
        # On the virtual clock every note is sent when it was planned, and is marked before its samples come.
        self._plans_stimuli = virtual and not self._clock_settings.follows
        self._onsets: dict[int, tuple[float, float]] = {}  # where a master keeps the time: when, and its tempo
        self._session: Session | None = None
        self._composer: Composer | None = None
        self._report: PlayReport | None = None
        self._error: BaseException | None = None

    def run(self) -> Take:
        """Play until the music, the stream or the player's patience ends; save and return the take.

        Raises
        ------
        BrainmidiError
            Whatever ended pump, composer or player; what was played until then is silenced and saved first.
        """
        try:
            if self._virtual:
                with self._pump:
                    self._perform()
            else:
                with self._stop_signals(), self._pump:
                    self._supervise()
        except BaseException:
            self._rescue()
            raise
        return self._finished()

    # ------------------------------------------------------------------------------------------ the main thread

    def _supervise(self) -> None:
        """Look after pump, composer and player until the take is over or stopped."""
        composer = threading.Thread(target=self._guarded, name="brainmidi-composer", daemon=True)
        self._pump.start()
        composer.start()
        try:
            while composer.is_alive() and not self._stopping.is_set():
                composer.join(_LOOK_S)
                self._pump.check()
                self._collect()
                self._keeper.save()  # out of the lock, in the one thread that nothing waits for
                self._capture()
        finally:
            halted = self._stopping.is_set() or composer.is_alive()
            self._stopping.set()
            if halted and self._report is None:
                self._report = self._player.stop()
        composer.join(_STOP_S)
        if self._error is not None:
            raise self._error
        self._collect()

    def _guarded(self) -> None:
        try:
            self._perform()
        except _Stopped:
            return
        except BaseException as error:  # handed to the main thread, which silences the music and raises it
            self._error = error

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        """Take Ctrl-C, SIGTERM and SIGHUP as the ordinary end of a take; a Ctrl-C after it interrupts whatever runs."""
        names = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP", "SIGBREAK": "Ctrl-Break"}
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stopping.is_set():
                if number == signals.SIGINT:  # the others come in twos, as from the terminal and from its shell
                    raise KeyboardInterrupt
                return
            self._stopped_by = names[signals.Signals(number).name]
            self._stopping.set()

        for name in names:
            number = getattr(signals, name, None)
            if number is not None:
                before[number] = signals.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signals.signal(number, handler)

    def _rescue(self) -> None:
        """Silence the player and save what was played; the error that led here is raised by the caller afterwards."""
        try:
            if self._report is None:
                self._report = self._player.stop()
        finally:
            if self._keeper.bars:
                self._keeper.save_what_there_is()

    # ------------------------------------------------------------------------------------------ the pump's thread

    def _take_in(self, chunk: Chunk) -> None:
        while self._heard_stimuli:
            self._signal.mark([self._heard_stimuli.popleft()])
        frames = self._signal.process(chunk)
        self._log.extend(frames)
        if frames and self._player.sends_knobs:
            self._player.knobs(self._desk.controls(frames[-1], self._signal.chain))

    # -------------------------------------------------------------------------------------- the composer's thread

    def _perform(self) -> None:
        """Compose and hand over bar after bar, each while the one before sounds; return when the last has sounded."""
        session = self._session = self._make_session()
        duration_s = assemble.duration_of(self._signal.source)
        if self._virtual and duration_s is None and session.setup.bars is None:
            raise SourceError(
                f"{self._signal.source.name} has no end, and on the virtual clock nobody stops it; say --bars"
            )
        start_s, latency_s = self._signal.start_s, self._signal.chain.latency_s
        composer = Composer(session, self._log, start_s=start_s, duration_s=duration_s, latency_s=latency_s)
        self._composer = composer
        self._wait_for(composer.due_s)
        if self._virtual or self._pump.ended:
            check_reached_music(self._signal, self._pump.stream_time_s or 0.0)
        if not self._virtual:  # the models may have loaded for longer than the lead-in
            composer.start_s = max(composer.start_s, self._pump.stream_time_s or 0.0)
        self._hand_over(composer, composer.compose(ended=self._pump.ended))
        begun_s = self._player.begin(self._count_in_s() + self._early_s() + (0.0 if self._virtual else _BEGIN_S))
        composer.start_s = begun_s - self._origin()
        self._plan_stimuli(composer, self._bars[0])
        while not composer.finished:
            if self._clock_settings.follows:
                self._wait_for_bar(composer)
            self._wait_for(composer.due_s)
            before = self._heard(composer.index - 1)
            if composer.index in self._begun:  # too late to compose: what the player has begun is that bar
                bar = self._begun[composer.index]
                composer.adopt(bar)
            else:
                due = None if self._virtual else self._due
                bar = composer.compose(ended=self._pump.ended, heard=before, due=due)
            self._hand_over(composer, bar)
            self._plan_stimuli(composer, bar)
        self._report = self._player.finish()
        self._collect()
        if self._virtual and duration_s is not None:
            self._pump.advance_to(float("inf"))  # as offline: the figures are those of the whole recording

    def _plan_stimuli(self, composer: Composer, bar: Bar) -> None:
        if self._plans_stimuli:
            self._signal.plan(bar, composer.time_s)

    def _count_in_s(self) -> float:
        """Return how long a count-in lasts where we keep the time."""
        if self._clock_settings.follows:
            return 0.0
        first = self._bars[0]
        return self._clock_settings.count_in * float(first.phrase.length) * 60.0 / first.tempo_bpm

    def _early_s(self) -> float:
        """Return how long before its time everything leaves: a nudge below 0, which needs that much notice."""
        return max(0.0, -self._clock_settings.nudge_s)

    def _wait_for_bar(self, composer: Composer) -> None:
        """Return once the bar before the next has begun, as a master has it, which may be never; go by its time."""
        index = composer.index - 1
        while index not in self._onsets:
            if self._stopping.is_set():
                raise _Stopped
            self._clock.sleep_until(self._clock.now_s() + (_KNOBS_S if self._virtual else _LOOK_S / 4))
            if self._virtual:
                self._pump.advance_to(self._clock.now_s() - self._origin_s + TOLERANCE_S)
            self._collect()
        time_s, bpm = self._onsets[index]
        composer.follow(self._begun[index].start, time_s - self._origin(), bpm)

    def _due(self, time_s: float) -> Deadline:
        """Return when a bar has to be there whose first beat is at sample time `time_s`."""
        return Deadline(self._clock, self._origin() + time_s - _BEGIN_S - self._early_s())

    def _hand_over(self, composer: Composer, bar: Bar) -> None:
        fallback = composer.fallback()
        with self._lock:
            self._bars[bar.index] = bar
            if fallback is not None:
                self._fallbacks[fallback.index] = fallback
        self._player.send(bar, fallback)

    def _wait_for(self, time_s: float) -> None:
        """Return once the controls of sample time `time_s` are there, or the stream has ended or fallen behind."""
        if self._virtual:
            while self._player.sends_knobs and (now_s := self._clock.now_s() - self._origin_s) < time_s - _KNOBS_S:
                # Knobs go out at their own times: clock and stream move on together, as they do in real time.
                self._clock.sleep_until(self._origin_s + now_s + _KNOBS_S)
                self._pump.advance_to(now_s + _KNOBS_S + TOLERANCE_S)
            self._clock.sleep_until(self._origin_s + time_s)
            self._pump.advance_to(time_s + TOLERANCE_S)
            self._collect()
            self._keeper.save()
            self._capture()
            return
        period_s = 1.0 / self._signal.source.montage.rate_hz
        while not self._pump.ended:
            if self._stopping.is_set():
                raise _Stopped
            now_s = self._clock.now_s()
            seen_s, origin_s = self._pump.stream_time_s, self._pump.origin_s
            if seen_s is not None and seen_s + period_s >= time_s:
                return
            if self._begun and origin_s is not None and now_s >= origin_s + time_s + _GRACE_S:
                return
            self._clock.sleep_until(now_s + _LOOK_S)
        if self._stopping.is_set():
            raise _Stopped

    def _heard(self, index: int) -> Bar | None:
        """Return what sounded as bar `index` if that is not what was composed; wait a moment for word of it."""
        patience_s = self._clock.now_s() + (0.0 if self._virtual else _GRACE_S)
        while True:
            self._collect()
            heard = self._begun.get(index)
            if heard is not None:
                return heard if heard.fallback else None
            if self._stopping.is_set():
                raise _Stopped
            if self._clock.now_s() >= patience_s:
                return None
            self._clock.sleep_until(self._clock.now_s() + _LOOK_S / 4)

    # ------------------------------------------------------------------------------------------------- both threads

    def _collect(self) -> None:
        """Take in what the player tells: which bars began, as what, and how late."""
        with self._lock:
            for notice in self._player.poll():
                if notice.kind == "marked":
                    if self._signal.stimuli is not None and not self._plans_stimuli:
                        self._heard_stimuli.extend(self._signal.stimuli.sent(notice, self._origin()))
                    continue
                if notice.kind != "started":
                    self._desk.take(notice)
                    continue
                bar = self._stand_in(notice) if notice.fallback else self._bars[notice.index]
                if notice.bpm is not None and notice.time_s is not None:
                    bar = replace(bar, tempo_bpm=notice.bpm)
                    self._onsets[notice.index] = (notice.time_s, notice.bpm)
                self._begun[notice.index] = bar
                time_s = 0.0 if notice.time_s is None else notice.time_s - self._origin()
                measured = not self._virtual and notice.index > 0
                self._keeper.begun(bar, time_s, notice.lateness_ms if measured else None)

    def _capture(self) -> None:
        """Write the captures that were asked for; one that cannot be written is said, and the music goes on."""
        for index in self._desk.captures():
            bars = last_bars(self._begun, index, self._desk.capture_bars)
            try:
                path = self._keeper.capture(bars)
            except MidiError as error:
                self._desk.say(str(error))
            else:
                self._desk.say(f"captured bars {bars[0].index + 1} to {bars[-1].index + 1} in {path}")

    def _stand_in(self, notice: PlayerNotice) -> Bar:
        """Return what the player plays in place of a bar: one that is held, a fallback, else a rest."""
        if notice.segment == "fallback":
            bar = self._fallbacks[notice.source]
        elif notice.segment == "held":
            bar = self._bars[notice.source]
        else:  # a rest is as long as the bar that had nothing to follow it
            bar = self._bars[notice.source - 1]
            bar = replace(bar, phrase=Phrase((), bar.phrase.length))
        return replace(bar, index=notice.index, start=self._begun[notice.index - 1].end, fallback=True)

    def _master(self) -> str:
        """Say whose time it was."""
        masters = {"midi": ", in the time of MIDI clock", "link": ", in the time of Ableton Link"}
        return masters.get(self._clock_settings.source, "")

    def _in_time(self, bar: Bar) -> Bar:
        """Return `bar` in the tempo in which it began where a master kept the time."""
        return replace(bar, tempo_bpm=self._onsets[bar.index][1]) if bar.index in self._onsets else bar

    def _origin(self) -> float:
        """Return the clock time of sample time 0."""
        return self._origin_s if self._virtual else self._pump.origin_s or self._origin_s

    def _finished(self) -> Take:
        """Save the take and return it with its figures."""
        report, session, composer = self._report, self._session, self._composer
        if report is None or session is None or composer is None or not report.bars:
            raise SourceError(
                f"no bar was played: {self._stopped_by or 'the stream ended'} came before the music could start; "
                "wait a little longer"
            )
        self._keeper.performed = report.performed
        self._capture()
        bars = tuple(self._in_time(bar) for bar in report.bars)
        names = self._keeper.close(bars, report.end_beat, report.sent_events, report.tempi)
        if self._stopped_by is not None:
            ended = f"stopped by {self._stopped_by}"
        elif session.is_last(report.bars[-1].index):
            ended = "as many bars as asked for"
        else:
            ended = "to the stream's end"
        info = self._player.info
        port = f"{info.port} ({info.api})" if info.port else f"none: {info.reason}"
        timing = Timing(
            first_note_s=None if report.first_note_s is None else report.first_note_s - self._since_s,
            late_bars=report.late_bars,
            p50_ms=report.lateness_p50_ms,
            p99_ms=report.lateness_p99_ms,
            max_ms=report.lateness_max_ms,
            port=port + (", real-time priority" if info.realtime else ", no real-time priority") + self._master(),
        )
        return finished_take(
            self._signal,
            session,
            bars,
            report.end_beat,
            composer,
            self._pump.stream_time_s or 0.0,
            None if self._virtual else timing,
            ended,
            names,
        )
