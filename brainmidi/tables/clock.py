"""Whose time the music keeps, and what goes out for others to follow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brainmidi.tables.table import Table


class ClockTable(Table):
    """``[clock]``: master or slave, and the clicks."""

    source: Literal["internal", "midi", "link"] = Field("internal", description='"internal", "midi" or "link"')
    send: bool = Field(False, description="true or false")
    nudge_ms: float = Field(0.0, ge=-500, le=500, description="-500..500 milliseconds, negative being earlier")
    count_in: int = Field(0, ge=0, le=8, description="0..8 bars")
    metronome: bool = Field(False, description="true or false")
    click_channel: int = Field(15, ge=1, le=16, description="1..16")
