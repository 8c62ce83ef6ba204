from __future__ import annotations

from collections.abc import Iterator

import pytest
from midi_jack import JackServer, Spy, missing_jack


@pytest.fixture(scope="session")
def jack_server() -> Iterator[JackServer]:
    """A JACK dummy server for the whole session; no environment variable of ours changes for it."""
    reason = missing_jack()
    if reason is not None:
        pytest.skip(reason)
    server = JackServer(realtime=True)
    yield server
    server.stop()


@pytest.fixture
def spy(jack_server: JackServer) -> Iterator[Spy]:
    spy = Spy(jack_server)
    yield spy
    spy.close()
