"""Which feature turns which knob, what events do, and what a knob's ends mean in the music."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainmidi.tables.table import Pair, Table, rising


class KnobTable(Table):
    """``[map.<knob>]``: the feature that turns a knob, in robust z against the baseline."""

    feature: str = Field(
        "none", min_length=1, description='a feature such as "alpha" or "alpha.occipital", "learned", or "none"'
    )
    invert: bool = Field(False, description="true or false")
    low: float = Field(-2.0, ge=-20, lt=0, description="-20..0 z (0 itself not allowed), where the knob stands near 0")
    high: float = Field(2.0, gt=0, le=20, description="0..20 z (0 itself not allowed), where the knob stands near 1")


with warnings.catch_warnings():
    # pydantic warns that the knob `register` hides ABCMeta.register, which no table of ours has a use for
    warnings.filterwarnings("ignore", message='Field name "register"')

    class MapTable(Table):
        """``[map]``: one time constant, and a table for each knob; a knob whose feature is "none" rests at 0.5."""

        time_constant_s: float = Field(1.5, ge=0, le=60, description="0..60 seconds")
        latent_mix: KnobTable = KnobTable(feature="alpha.posterior", invert=True, low=-4.0, high=4.0)
        temperature: KnobTable = KnobTable(feature="engagement", low=-4.0, high=4.0)
        density: KnobTable = KnobTable(feature="engagement", low=-4.0, high=4.0)
        velocity: KnobTable = KnobTable(feature="beta", low=-3.0, high=3.0)
        tempo: KnobTable = KnobTable(feature="alpha.posterior", invert=True, low=-5.0, high=5.0)
        register: KnobTable = KnobTable(feature="gamma", low=-4.0, high=4.0)

        def knobs(self) -> dict[str, KnobTable]:
            """Return the knobs that a feature turns."""
            tables = {name: getattr(self, name) for name in type(self).model_fields if name != "time_constant_s"}
            return {name: table for name, table in tables.items() if table.feature != "none"}


class EventTable(Table):
    """``[on.<name>]``: what happens when a feature crosses its threshold."""

    feature: str = Field(min_length=1, description='a feature such as "erp.target"')
    threshold: float = Field(description="a number in the feature's own unit")
    action: Literal["next-anchor", "none"] = Field("next-anchor", description='"next-anchor" or "none"')
    refractory_s: float = Field(4.0, ge=0, le=600, description="0..600 seconds before it may happen again")
    hysteresis: float = Field(0.1, ge=0, description="0 or more: how far below the threshold it arms again")

    @model_validator(mode="after")
    def _within_reach(self) -> EventTable:
        if self.feature in ("erp.target", "erp.confidence") and not 0 < self.threshold <= 1:
            raise ValueError(f"threshold {self.threshold:g} of {self.feature} is never crossed, it lies within 0..1")
        return self


def default_events() -> dict[str, EventTable]:
    """Return the one event that is watched for by default: an ERP to the targets."""
    return {"erp": EventTable(feature="erp.confidence", threshold=0.99, hysteresis=0.15)}


class RangeTable(Table):
    """``[range]``: what a knob's 0 and 1 mean in the music."""

    temperature: Pair = Field((0.6, 1.2), description="[low, high] within 0.1..2.0")
    tempo_percent: float = Field(8.0, ge=0, le=50, description="0..50 per cent faster or slower than tempo_bpm")
    velocity: Annotated[tuple[int, int], Field(strict=False)] = Field(
        (50, 105), description="[low, high] within 1..127"
    )
    register_semitones: int = Field(7, ge=0, le=24, description="0..24 semitones up or down")

    @model_validator(mode="after")
    def _ordered(self) -> RangeTable:
        rising(self.temperature, 0.1, 2.0, "temperature", equal=True)
        rising(self.velocity, 1, 127, "velocity", equal=True)
        return self
