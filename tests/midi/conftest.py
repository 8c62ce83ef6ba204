from __future__ import annotations

from collections.abc import Iterator

import pytest
from midi_jack import JackServer, Spy, missing_jack


@pytest.fixture(scope="session")
def jack_server() -> Iterator[JackServer]:
    """A JACK dummy server for the whole session; no environment variable of ours changes for it."""
    yield from _served(realtime=True)


@pytest.fixture(scope="session")
def waiting_server() -> Iterator[JackServer]:
    """A server that waits for its clients: what a receiver misses was not sent. No client of it may be killed."""
    yield from _served(realtime=True, synchronous=True)


@pytest.fixture
def spy(jack_server: JackServer) -> Iterator[Spy]:
    spy = Spy(jack_server)
    yield spy
    spy.close()


@pytest.fixture
def waiting_spy(waiting_server: JackServer) -> Iterator[Spy]:
    spy = Spy(waiting_server)
    yield spy
    spy.close()


def _served(**options: bool) -> Iterator[JackServer]:
    reason = missing_jack()
    if reason is not None:
        pytest.skip(reason)
    server = JackServer(**options)
    yield server
    server.stop()
