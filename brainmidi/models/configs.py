"""Every MusicVAE configuration in one table: Magenta's by Magenta's names, and ours.

Sizes and losses of Magenta's are those of ``magenta/models/music_vae/configs.py`` (magenta 2.1.4); Roberts et al. 2018
(https://arxiv.org/abs/1803.05428) describes melodies, drums and trios, Gillick et al. 2019
(https://arxiv.org/abs/1905.06118) the grooves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Events = Literal["categorical", "nade", "groove"]


@dataclass(frozen=True, slots=True)
class MusicVaeConfig:
    """Sizes and loss of one configuration.

    Parameters
    ----------
    n_steps : int
        Length of a phrase, in steps.
    input_depth : int
        Columns of a step as the encoder reads it, without controls. One more than the decoder's drum classes means a
        piano roll with a flag for "nothing here".
    outputs : tuple of int
        Classes of each simultaneous event; of drum rolls and grooves the columns.
    events : {"categorical", "nade", "groove"}
        One class an output and step; several drums at once, one depending on the other (NADE); or hits, velocities and
        offsets.
    latent_size : int
        Dimensions of z.
    encoder_units, decoder_units : tuple of int
        LSTM units of each layer; of the encoder in each direction.
    control_depth : int
        Columns of the control sequence (chords, say) that encoder and decoder are given at every step; 0 for none.
    encoder_levels, decoder_levels : tuple of two int
        Lengths of the levels of a hierarchy: encoders read segments of the first length, then so many of those; a
        decoder's conductor writes the first number of segments, each as long as the second. Empty for none.
    joint : {"lstm", "dense"}
        What joins the segments of a hierarchy: an LSTM over them on either side, and a decoder that starts anew in each
        (Magenta's); or one matrix in which every segment has columns of its own, and a decoder that goes on from
        segment to segment. The latter learns in a tenth of the time.
    split_outputs : bool
        Whether each output has a decoder of its own.
    nade_units : int
        Hidden units of the NADE.
    end_class : int or None
        The class that ends a segment early.
    max_beta, beta_rate : float
        The KL term's weight after `s` training steps is ``(1 - beta_rate ** s) * max_beta``.
    free_bits : float
        Bits of the total KL that cost nothing.
    sampling_rate : float
        k of the inverse sigmoid ``k / (k + exp(s / k))`` by which training feeds the decoder its own samples (Bengio
        et al. 2015); 0 for never.
    """

    n_steps: int = 32
    input_depth: int = 90
    outputs: tuple[int, ...] = (90,)
    events: Events = "categorical"
    latent_size: int = 256
    encoder_units: tuple[int, ...] = (512,)
    decoder_units: tuple[int, ...] = (256, 256)
    control_depth: int = 0
    encoder_levels: tuple[int, ...] = ()
    decoder_levels: tuple[int, ...] = ()
    joint: Literal["lstm", "dense"] = "lstm"
    split_outputs: bool = False
    nade_units: int = 0
    end_class: int | None = None
    max_beta: float = 1.0
    beta_rate: float = 0.0
    free_bits: float = 0.0
    sampling_rate: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MusicVaeConfig:
        """Return the configuration that :meth:`to_json` wrote."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**given)


_MELODY = MusicVaeConfig(max_beta=0.2, beta_rate=0.99999, sampling_rate=1000.0)
_DRUMS = MusicVaeConfig(input_depth=10, outputs=(512,), free_bits=48.0, max_beta=0.2, sampling_rate=1000.0)
_NADE = replace(_DRUMS, outputs=(9,), events="nade", nade_units=128, encoder_units=(1024,), decoder_units=(512, 512))
_LONG = MusicVaeConfig(
    n_steps=256,
    latent_size=512,
    encoder_units=(2048, 2048),
    decoder_units=(1024, 1024),
    decoder_levels=(16, 16),
    free_bits=256.0,
    max_beta=0.2,
)
_TRIO = replace(_LONG, input_depth=692, outputs=(90, 90, 512), split_outputs=True)
_PERFORMANCE = MusicVaeConfig(
    n_steps=512,
    input_depth=490,
    outputs=(490,),
    latent_size=512,
    encoder_units=(1024,),
    decoder_units=(512, 512, 512),
    encoder_levels=(64, 8),
    decoder_levels=(8, 64),
    end_class=489,
)
_PERFORMANCE_BIG = replace(_PERFORMANCE, encoder_units=(2048,), decoder_units=(1024, 1024, 1024))
_GROOVE = MusicVaeConfig(input_depth=27, outputs=(27,), events="groove", free_bits=48.0, max_beta=0.2)
CHORD_DEPTH = 49


def _big(config: MusicVaeConfig, **others: Any) -> MusicVaeConfig:
    return replace(config, latent_size=512, encoder_units=(2048,), decoder_units=(2048, 2048, 2048), **others)


def _flat(config: MusicVaeConfig, **others: Any) -> MusicVaeConfig:
    return replace(config, decoder_units=(2048, 2048, 2048), decoder_levels=(), split_outputs=False, **others)


def _read_in_bars(config: MusicVaeConfig) -> MusicVaeConfig:
    return replace(config, encoder_units=(1024,), encoder_levels=(16, 16))


# Ours: hierarchies of quarter notes, small enough to be trained on two cores.
_OURS = MusicVaeConfig(
    encoder_units=(192,),
    encoder_levels=(4, 8),
    decoder_units=(256,),
    decoder_levels=(8, 4),
    joint="dense",
    free_bits=48.0,
    max_beta=0.5,
    beta_rate=0.999,
    sampling_rate=1000.0,
)

#: Magenta's configurations, by Magenta's names.
MAGENTA: dict[str, MusicVaeConfig] = {
    "cat-mel_2bar_small": _MELODY,
    "cat-mel_2bar_big": _big(_MELODY, max_beta=0.5),
    "cat-mel_2bar_med_chords": MusicVaeConfig(
        encoder_units=(1024,), decoder_units=(512, 512, 512), control_depth=CHORD_DEPTH
    ),
    "cat-drums_2bar_small": _DRUMS,
    "cat-drums_2bar_big": _big(_DRUMS),
    "nade-drums_2bar_reduced": _NADE,
    "nade-drums_2bar_full": replace(_NADE, input_depth=62, outputs=(61,)),
    "flat-mel_16bar": _flat(_LONG),
    "hierdec-mel_16bar": _LONG,
    "hier-mel_16bar": _read_in_bars(_LONG),
    "flat-trio_16bar": _flat(_TRIO, free_bits=0.0, max_beta=1.0),
    "hierdec-trio_16bar": _TRIO,
    "hier-trio_16bar": _read_in_bars(_TRIO),
    "hier-multiperf_vel_1bar_med": _PERFORMANCE,
    "hier-multiperf_vel_1bar_big": _PERFORMANCE_BIG,
    "hier-multiperf_vel_1bar_med_chords": replace(_PERFORMANCE, control_depth=CHORD_DEPTH),
    "hier-multiperf_vel_1bar_big_chords": replace(_PERFORMANCE_BIG, control_depth=CHORD_DEPTH),
    "groovae_4bar": replace(_GROOVE, n_steps=64),
    "groovae_2bar_humanize": _GROOVE,
    "groovae_2bar_tap_fixed_velocity": _GROOVE,
    "groovae_2bar_tap_fixed_velocity_note_dropout": _GROOVE,
    "groovae_2bar_add_closed_hh": _GROOVE,
    "groovae_2bar_hits_control_tfds": replace(_GROOVE, control_depth=9),
}

#: All configurations: Magenta's, and ours, which the shipped checkpoints have.
CONFIGS: dict[str, MusicVaeConfig] = {
    **MAGENTA,
    "hier-mel_2bar": _OURS,
    "hier-bass_2bar_chords": replace(_OURS, control_depth=CHORD_DEPTH),
    # What drummers play is less alike than tunes are: it takes more bits to give back.
    "hier-drums_2bar": replace(_OURS, input_depth=10, outputs=(512,), max_beta=0.2),
    # Told at each step what is struck there, it need only say how.
    "hier-groove_2bar_hits": replace(
        _OURS, input_depth=27, outputs=(27,), events="groove", control_depth=9, max_beta=0.2
    ),
}
