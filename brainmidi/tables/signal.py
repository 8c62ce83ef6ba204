"""Where EEG comes from, how it is cleaned and measured, and what rest looks like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from brainmidi.tables.table import Names, Pair, Table, rising


class SourceTable(Table):
    """``[source]``: where EEG comes from; all but the first four are BrainFlow's parameters, by their own names."""

    name: str = Field("demo", min_length=1, description="a name that `brainmidi sources` lists")
    board: str = Field("", description="the name of the board that made a BrainFlow csv, where it fits several")
    markers: str = Field("", description='an LSL marker stream\'s name, "" for all with lsl, or "none"')
    give_up_s: float = Field(0.0, ge=0, le=3600, description="0..3600 seconds without signal, 0 for never giving up")
    serial_port: str = Field("", description='a serial port, such as "/dev/ttyUSB0" or "COM3"')
    mac_address: str = Field("", description="a Bluetooth address")
    ip_address: str = Field("", description="an IP address")
    ip_address_aux: str = Field("", description="an IP address")
    ip_address_anc: str = Field("", description="an IP address")
    ip_port: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_port_aux: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_port_anc: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_protocol: int = Field(0, ge=0, le=2, description="0 (none), 1 (UDP) or 2 (TCP)")
    other_info: str = Field("", description="text that the board's driver understands")
    timeout: int = Field(0, ge=0, le=600, description="0..600 seconds, 0 for the driver's own")
    serial_number: str = Field("", description="the device's serial number or name")
    file: str = Field("", description="a path, for playback boards")
    file_aux: str = Field("", description="a path, for playback boards")
    file_anc: str = Field("", description="a path, for playback boards")
    master_board: str = Field("", description="the name of the board whose data is replayed, for playback boards")

    def options(self) -> dict[str, str | int]:
        """Return the connection parameters that differ from BrainFlow's defaults."""
        changed = self.model_dump(exclude_defaults=True)
        for ours in ("name", "board", "markers", "give_up_s"):
            changed.pop(ours, None)
        return changed


def _bands() -> dict[str, tuple[float, float]]:
    return {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}


class SignalTable(Table):
    """``[signal]``: filters, reference and the windows that band power is measured in."""

    high_pass_hz: float = Field(0.3, gt=0, le=10, description="above 0, at most 10 Hz")
    low_pass_hz: float = Field(45.0, ge=10, le=250, description="10..250 Hz, below half the sampling rate")
    reference: Literal["auto", "average", "linked", "none"] | Names = Field(
        "auto", description='"auto", "average", "linked", "none", or a list of channel names such as ["TP9", "TP10"]'
    )
    line: Literal["auto", "none", 50, 60] = Field("auto", description='"auto", 50, 60 or "none"')
    window_s: float = Field(2.0, ge=1, le=10, description="1..10 seconds")
    min_good: float = Field(
        0.6, gt=0, le=1, description="above 0, at most 1: the share of good samples a channel needs"
    )
    amplitude_uv: float = Field(
        200.0, gt=0, description="above 0 uV: a larger magnitude after filtering is an artifact"
    )
    asr: bool = Field(False, description="true or false: artifact subspace reconstruction")
    asr_cutoff: float = Field(20.0, ge=2.5, le=100, description="2.5..100 standard deviations that ASR leaves alone")
    bands: dict[str, Pair] = Field(default_factory=_bands, description="[low, high] in Hz")

    @model_validator(mode="after")
    def _ordered(self) -> SignalTable:
        for name, band in self.bands.items():
            rising(band, 0.1, 250, f"band {name}")
        if self.high_pass_hz >= self.low_pass_hz:
            raise ValueError("high_pass_hz must lie below low_pass_hz")
        return self


class ErpTable(Table):
    """``[erp]``: which markers are targets, and how their epochs are averaged."""

    target: Names = Field(
        ("target", "2", "oddball.target"), description='a list of marker labels, such as ["target"]'
    )
    nontarget: Names = Field(
        ("nontarget", "1", "oddball.nontarget"), description='a list of marker labels, such as ["nontarget"]'
    )
    epoch_s: Pair = Field((-0.2, 0.8), description="[low, high] in seconds around the marker")
    response_s: Pair = Field((0.25, 0.5), description="[low, high] in seconds after the marker")
    average_n: int = Field(12, ge=2, le=1000, description="2..1000 targets, and at least min_n")
    min_n: int = Field(4, ge=2, le=1000, description="2..1000 targets")
    score_n: int = Field(5, ge=1, le=1000, description="1..1000 targets that the classifier's score is taken over")
    channels: Names = Field((), description="a list of channel names; [] chooses by the montage")
    polarity: Literal["either", "positive", "negative"] = Field(
        "either", description='"either", "positive" or "negative"'
    )
    reject_uv: float = Field(150.0, gt=0, description="above 0 uV: an epoch that spans more is left out")
    latency_s: float = Field(0.0, ge=-1, le=1, description="-1..1 seconds by which the device stamps its markers late")

    @model_validator(mode="after")
    def _ordered(self) -> ErpTable:
        rising(self.epoch_s, -2, 3, "epoch_s")
        rising(self.response_s, 0, self.epoch_s[1], "response_s")
        if self.epoch_s[0] >= 0:
            raise ValueError("epoch_s must begin before 0, for the epoch's own baseline")
        if self.average_n < self.min_n:
            raise ValueError("average_n must not be less than min_n")
        if both := set(self.target) & set(self.nontarget):
            raise ValueError(f"marker {min(both)!r} is both target and nontarget; keep it in one list")
        return self


class BaselineTable(Table):
    """``[baseline]``: what rest looks like; at most one of the three, and the shipped demo profile where none is."""

    seconds: float = Field(0.0, ge=0, le=600, description="0..600 seconds of rest at the start, 0 for none")
    recording: str = Field("", description="the path of a recording made at rest")
    profile: str = Field("", description="the path of a profile that `brainmidi calibrate` or --save-baseline wrote")

    @model_validator(mode="after")
    def _one(self) -> BaselineTable:
        if sum(map(bool, (self.seconds, self.recording, self.profile))) > 1:
            raise ValueError("give one of seconds, recording and profile, not several")
        return self
