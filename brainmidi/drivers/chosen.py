"""Which checkpoints a session plays: those that ``[models]`` names, looked at before anything loads."""

from __future__ import annotations

from pathlib import Path

from brainmidi.codec import bars as bars_codec
from brainmidi.codec import drums as drum_codec
from brainmidi.codec import groove as groove_codec
from brainmidi.codec import melody as melody_codec
from brainmidi.codec import performance as performance_codec
from brainmidi.config import SessionConfig
from brainmidi.errors import ConfigError, ModelError
from brainmidi.models.checkpoint import find_checkpoint, read_config, read_sizes
from brainmidi.models.configs import CHORD_DEPTH, MusicVaeConfig
from brainmidi.music.metre import STEPS_PER_BEAT
from brainmidi.music.phrase import MODEL_LENGTH

#: Ends of the names of GrooVAEs that read hits alone.
HUMANISING = ("humanize", "_hits")
#: The models of each part, as ``[models]`` names them.
ROLES: dict[str, tuple[str, ...]] = {
    "melody": ("melody",),
    "accompaniment": ("accompaniment",),
    "bass": ("bass",),
    "drums": ("drums", "groove"),
}
#: Events of the transformers that play, by codec.
_EVENTS = {"performance": performance_codec.N_CLASSES, "bars": bars_codec.N_CLASSES}
_STEPS = int(MODEL_LENGTH * STEPS_PER_BEAT)
#: Of each MusicVAE that plays: kind of events, outputs, columns of controls; and that in words.
_PLAYABLE: dict[str, tuple[str, int, tuple[int, ...], str]] = {
    "melody": ("categorical", melody_codec.N_CLASSES, (0,), "melodies without chords, such as cat-mel_2bar_big"),
    "bass": (
        *("categorical", melody_codec.N_CLASSES, (CHORD_DEPTH,)),
        "lines that are told chords, such as hier-bass_2bar_chords",
    ),
    "drums": ("categorical", drum_codec.N_CLASSES, (0,), "drums as classes, such as cat-drums_2bar_big"),
    "groove": (
        *("groove", groove_codec.N_FEATURES, (0, drum_codec.N_DRUMS)),
        "a drummer that reads hits alone, such as groovae_2bar_humanize",
    ),
}


def chosen_checkpoints(config: SessionConfig) -> dict[str, Path]:
    """Return the folders of the checkpoints that ``[models]`` names for the parts that play, by model.

    What is left empty is not among them: the shipped one plays.

    Raises
    ------
    ConfigError
        One of them does not exist, is damaged, or cannot play its part; the line says which.
    """
    found: dict[str, Path] = {}
    for part, roles in ROLES.items():
        for role in roles if part in config.session.parts else ():
            name: str = getattr(config.models, role)
            if name:
                try:
                    found[role] = _checked(role, name)
                except ModelError as error:
                    raise ConfigError(f"session.toml: [models] {role} = {name!r}: {error}") from error
    return found


def _checked(role: str, name: str) -> Path:
    """Return the folder of a checkpoint; ModelError where it cannot play."""
    folder = find_checkpoint(name)
    if role == "accompaniment":
        sizes = read_config(folder, "transformer")
        n_classes, codec = sizes.get("n_classes"), sizes.get("codec", "performance")
        if _EVENTS.get(codec) != n_classes:
            known = " or ".join(f"{needed} of {name}" for name, needed in _EVENTS.items())
            raise ModelError(f"it has {n_classes} events of {codec}, {known} are needed; choose another")
        return folder
    config, model = read_sizes(folder, "musicvae", MusicVaeConfig.from_json), str(read_config(folder)["name"])
    events, n_outputs, controls, words = _PLAYABLE[role]
    fits = (config.events, config.outputs) == (events, (n_outputs,)) and config.control_depth in controls
    # GrooVAEs of one size read different things.
    if not fits or (role == "groove" and not model.endswith(HUMANISING)):
        raise ModelError(f"configuration {model} cannot play it, one of {words} is needed; choose such a checkpoint")
    if config.n_steps != _STEPS:
        raise ModelError(f"configuration {model} has {config.n_steps} steps, {_STEPS} are needed; choose one of 2 bars")
    return folder
