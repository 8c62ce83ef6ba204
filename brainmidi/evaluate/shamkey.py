"""The blind key of a sham run: which score is whose, sealed until somebody asks."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainmidi.errors import ConfigError

FORMAT, VERSION = "brainmidi-sham-key", 1
KEY_FILE = "key.json"
REAL = "the recording itself"


@dataclass(frozen=True, slots=True)
class Key:
    """What a sham run hides.

    Parameters
    ----------
    origins : mapping of str to str
        By the blind name of each score, where its EEG came from; one of them is :data:`REAL`.
    lines : tuple of str
        How far the real one stands out, in words.
    figures : mapping of str to object
        The same as plain JSON.
    """

    origins: Mapping[str, str]
    lines: tuple[str, ...]
    figures: Mapping[str, Any]

    @property
    def real(self) -> str:
        """Blind name of the score that the recording itself made."""
        return next(name for name, origin in self.origins.items() if origin == REAL)

    def seal(self, folder: Path) -> None:
        """Write the key to `folder` so that no glance can read it, with a checksum that tells if it was changed."""
        content = json.dumps({"origins": dict(self.origins), "lines": self.lines, "figures": dict(self.figures)})
        packed = zlib.compress(content.encode())
        document = {
            "format": FORMAT,
            "version": VERSION,
            "scores": sorted(self.origins),
            "open_with": "brainmidi sham FOLDER --reveal",
            "sha256": hashlib.sha256(packed).hexdigest(),
            "sealed": base64.b64encode(packed).decode(),
        }
        (folder / KEY_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Key:
        """Return the key that :meth:`seal` wrote.

        Raises
        ------
        ConfigError
            If there is none, or it was changed since.
        """
        path = folder / KEY_FILE
        remedy = "name the folder that `brainmidi sham` wrote"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT or document["version"] != VERSION:
                raise ConfigError(f"{path} is no key of version {VERSION}; {remedy}")
            packed = base64.b64decode(document["sealed"], validate=True)
            if hashlib.sha256(packed).hexdigest() != document["sha256"]:
                raise ConfigError(f"{path} was changed after it was sealed; make the scores anew")
            content = json.loads(zlib.decompress(packed))
            return cls(content["origins"], tuple(content["lines"]), content["figures"])
        except OSError as error:
            raise ConfigError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise ConfigError(f"{path} is damaged ({error!r}); {remedy}") from error
