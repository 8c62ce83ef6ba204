"""How samples are conditioned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from brainmidi.condition.asr import AsrState
from brainmidi.condition.gate import NO_LIMITS, GateLimits


@dataclass(frozen=True, slots=True)
class ConditionSettings:
    """How samples are conditioned.

    Parameters
    ----------
    high_pass_hz, low_pass_hz : float
        Corners of the band filter in Hz.
    reference : str or tuple of str
        ``"auto"`` (average of the good channels from 16 channels upwards, else as recorded), ``"average"``,
        ``"linked"`` (mean of the channels at the mastoids and ears), ``"none"``, or channel names to subtract the mean
        of.
    line : str or float
        Mains frequency: 50, 60, ``"none"``, or ``"auto"``: both are taken out until 2 s of usable samples have told
        which it is; where neither hums, it is looked for again every 8 s. Once found it is doubted every 15 s, and
        changes where the other one has been clear twice in a row.
    bridge_s : float
        A gap up to this long is bridged; after a longer one the filters start anew.
    settle_s : float
        So long after a new start the samples are condemned.
    limits : GateLimits
        When a sample is condemned.
    watch : bool
        Whether a channel that stays silent or noisy beside the others is left out until it is well again.
    bad : tuple of str
        Channels whose every sample is condemned, as far as they are there: a calibration found them useless.
    asr : AsrState or None
        What artifact subspace reconstruction goes by; None for none.
    """

    high_pass_hz: float = 0.3
    low_pass_hz: float = 45.0
    reference: str | tuple[str, ...] = "auto"
    line: str | float = "auto"
    bridge_s: float = 0.05
    settle_s: float = 0.5
    limits: GateLimits = field(default_factory=GateLimits)
    watch: bool = True
    bad: tuple[str, ...] = ()
    asr: AsrState | None = None

    def unprotected(self) -> ConditionSettings:
        """Return the same without gate, watch and reconstruction, to measure what they are good for."""
        return replace(self, limits=NO_LIMITS, watch=False, asr=None)
