"""A stand-in for JACK-Client whose periods are run by hand."""

from __future__ import annotations

from types import SimpleNamespace

from brainmidi.midi.clock import VirtualClock

RATE, PERIOD = 48000, 1024


class FakeServer:
    """A JACK server of one client; :meth:`cycle` runs a period, and what leaves is in `sent` as (frame, bytes)."""

    def __init__(self, ports=(), *, answers=True, room=100, refusals=0):
        self.clock = VirtualClock(10.0)
        self.frames = 5000
        self.sent = []
        self.connected = []
        self.client = None
        self.closed = False
        self.clock_drives = True
        fake, ports, room_left = self, list(ports), room

        self.refusals = refusals

        class JackError(Exception):
            def __init__(self, message, **status):
                super().__init__(message)
                self.status = SimpleNamespace(**status)

        class Port:
            name = "brainmidi:out"

            def clear_buffer(self):
                fake.room = room_left

            def reserve_midi_event(self, place, size):
                assert 0 <= place < PERIOD
                if fake.room == 0:
                    return bytearray()
                fake.room -= 1
                event = bytearray(size)
                fake.sent.append((fake.frames + place, event))
                return event

        class Client:
            samplerate, blocksize = RATE, PERIOD

            def __init__(self, name, no_start_server):
                assert name == "brainmidi"
                assert no_start_server
                if not answers:
                    raise JackError("no server", server_error=False)
                if fake.refusals:
                    fake.refusals -= 1
                    raise JackError("cannot open", server_error=True)
                self.midi_outports = SimpleNamespace(register=lambda name: Port())
                fake.client = self

            @property
            def frame_time(self):
                return fake.frames % 2**32

            last_frame_time = frame_time

            def set_process_callback(self, callback):
                self.process = callback

            def set_shutdown_callback(self, callback):
                self.shut_down = callback

            def activate(self):
                for _ in range(20):
                    fake.cycle()

            def get_ports(self, **wanted):
                assert wanted in ({"is_midi": True, "is_input": True}, {"is_midi": True, "is_output": True})
                return [SimpleNamespace(name=name) for name in ports]

            def connect(self, source, destination):
                fake.connected.append(destination)

            def deactivate(self):
                pass

            def close(self):
                fake.closed = True

        self.module = SimpleNamespace(Client=Client, JackError=JackError)

    def cycle(self, count=1):
        """Run periods, with the clock a period further after each."""
        for _ in range(count):
            self.client.process(PERIOD)
            self.frames += PERIOD
            self.clock.sleep_until(self.clock.now_s() + PERIOD / RATE)

    def frame(self, at_s):
        """Return the frame on which clock time `at_s` falls."""
        return self.frames + round((at_s - self.clock.now_s()) * RATE)

    def messages(self):
        """Return what has left as (frame, tuple)."""
        return [(frame, tuple(data)) for frame, data in self.sent]
