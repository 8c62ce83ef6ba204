"""Import Magenta's weights: read, checked, turned into ours, and written whole or not at all."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models.checkpoint import CARD_FILE, imported_root, save_weights
from brainmidi.models.configs import MAGENTA, MusicVaeConfig
from brainmidi.models.download import Progress, cache_folder, is_url
from brainmidi.models.magenta import Weights, convert
from brainmidi.models.magenta_read import Found, forget, read
from brainmidi.models.magenta_transformer import TRANSFORMERS, convert_transformer, resembling_transformers


@dataclass(frozen=True, slots=True)
class Imported:
    """A checkpoint that was written.

    Parameters
    ----------
    folder : Path
        Where it is.
    n_weights : int
        How many numbers it holds.
    """

    folder: Path
    n_weights: int


def download_cache() -> Path:
    """Return the folder in which downloads are kept until they are imported."""
    import platformdirs

    return platformdirs.user_cache_path("brainmidi", appauthor=False)


def import_checkpoint(
    source: str,
    config: str,
    out: Path | None = None,
    *,
    half: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read Magenta's weights and write them as a checkpoint; on any error nothing is written.

    Parameters
    ----------
    source : str
        As :func:`brainmidi.models.magenta_read.read`.
    config : str
        The name of the configuration that the weights were trained as.
    out : Path, optional
        The folder to write, which must not exist; ``magenta_`` and the configuration's name among this user's imported
        checkpoints by default.
    half : bool
        Write fp16, half as large and no longer exactly Magenta's.
    cache : Path, optional
        Where archives are unpacked and downloads kept; the user's cache by default.
    progress : callable, optional
        Told of what is downloaded.

    Raises
    ------
    ConfigError
        If the configuration is unknown.
    ModelError
        If the weights cannot be read or do not fit, or the checkpoint cannot be written.
    """
    if config not in MAGENTA and config not in TRANSFORMERS:
        raise ConfigError(f"configuration {config!r} is unknown; choose from {', '.join((*MAGENTA, *TRANSFORMERS))}")
    if out is None:
        out = imported_root() / f"magenta_{config}"
    elif not out.absolute().parent.is_dir():
        raise ModelError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    if out.exists():
        raise ModelError(f"{out} exists already; remove it, or choose another folder with --out")
    cache = download_cache() if cache is None else cache
    found = read(source, cache, progress)
    try:
        described, weights = _converted(config, found.weights)
    except ModelError as error:
        kept = f"; the download is kept in {cache_folder(source, cache)} for another --config" if is_url(source) else ""
        raise ModelError(f"{error}{kept}") from None
    n_weights = sum(value.size for value in weights.values())
    described["source"] = {"place": found.place, "format": found.kind, "sha256": found.sha256}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=out.parent) as beside:
            whole = Path(beside) / out.name
            save_weights(whole, described, weights, half=half)
            (whole / CARD_FILE).write_text(_card(config, found, n_weights, half), encoding="utf-8")
            whole.rename(out)
    except OSError as error:
        raise ModelError(f"{out} cannot be written ({error.strerror or error}); make room or choose --out") from None
    forget(source, cache)
    return Imported(out, n_weights)


def _converted(config: str, weights: Weights) -> tuple[dict[str, object], Weights]:
    """Return what ``config.json`` says of a configuration, and Magenta's weights as ours."""
    if config in TRANSFORMERS:
        transformer, ours = convert_transformer(config, weights)
        return {"kind": "transformer", "name": config, **transformer.to_json()}, ours
    if fits := resembling_transformers(weights):
        raise ModelError(f"these are not the weights of {config}; they are those of {fits[0]}: give that as --config")
    ours, part = convert(config, weights), part_of(MAGENTA[config])
    described = {"kind": "musicvae", "name": config} | ({"part": part} if part else {})
    return {**described, **MAGENTA[config].to_json()}, ours


def part_of(sizes: MusicVaeConfig) -> str:
    """Return ``"melody"``, ``"drums"`` or ``"groove"``, which a configuration of Magenta's writes; empty for others."""
    if sizes.events == "groove":
        return "groove"
    if sizes.events == "nade" or sizes.outputs == (512,):
        return "drums"
    return "melody" if sizes.outputs == (90,) else ""


def _card(config: str, found: Found, n_weights: int, half: bool) -> str:
    """Return the model card of an imported checkpoint."""
    digests = "\n".join(f"| {name} | {digest} |" for name, digest in found.sha256.items())
    precision = "half" if half else "full (as read)"
    model = "Music Transformer" if config in TRANSFORMERS else "MusicVAE"
    return (
        f"# {model} {config}, imported\n\n"
        f"Weights of Magenta's configuration `{config}`, read from `{found.place}` ({found.kind}) and turned into this "
        f"program's layout: {n_weights:,} numbers in {precision} precision. They were not trained here; the licence of "
        "what they were read from holds for them.\n\n"
        f"## Files read\n\n| file | sha256 |\n| --- | --- |\n{digests}\n\n"
        f"## Recipe\n\n    brainmidi checkpoints import {found.place} --config {config}{' --half' if half else ''}\n"
    )
