"""What all tables of ``session.toml`` have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: Two numbers, low then high; TOML has lists where Python has tuples.
Pair = Annotated[tuple[float, float], Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class Table(BaseModel):
    """A table of ``session.toml``: unknown keys are errors, values keep their type, nothing changes after birth.

    Every field's description says what is allowed; error lines quote it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def rising(pair: tuple[float, float], low: float, high: float, what: str, *, equal: bool = False) -> None:
    """Raise ValueError unless ``low <= pair[0] < pair[1] <= high`` (or ``<=`` where `equal`)."""
    if not (low <= pair[0] <= pair[1] <= high and (equal or pair[0] < pair[1])):
        raise ValueError(f"{what} must be [low, high] within {low:g}..{high:g} with low {'<=' if equal else '<'} high")
