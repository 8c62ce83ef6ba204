"""An instrument of MPE, written by the specification (M1-100-UM, version 1.1) alone."""

from __future__ import annotations

from collections import deque


class Receiver:
    """An instrument as the specification describes it: configured by registered parameter 6, played by its members."""

    def __init__(self):
        self.members, self.parameter, self.sounding = 0, None, set()
        self.let_go = deque()  # member channels, the one that has been free the longest first

    def take(self, data):
        status, channel = data[0] & 0xF0, (data[0] & 0x0F) + 1
        if status == 0xB0 and channel == 1:
            if data[1] == 101:
                self.parameter = data[2] << 7 | (self.parameter or 0) & 127
            elif data[1] == 100:
                self.parameter = (self.parameter or 0) & ~127 | data[2]
            elif data[1] == 6 and self.parameter == 6:
                self.members, self.sounding = data[2], set()
                self.let_go = deque(range(2, self.members + 2))
        elif status in (0x80, 0x90) and 1 <= channel <= self.members + 1:
            assert channel != 1, "a note on the master channel"
            key = channel, data[1]
            if status == 0x90 and data[2]:
                taken = {at for at, _ in self.sounding}
                if len(taken) < self.members:
                    assert channel == self.let_go.popleft(), "not the channel that was let go the longest ago"
                assert key not in self.sounding
                self.sounding.add(key)
            else:
                self.sounding.remove(key)
                if channel not in {at for at, _ in self.sounding}:
                    self.let_go.append(channel)
