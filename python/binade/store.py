"""Reads the folder of a study: every number of every trial, from notebooks and scripts.

    from binade.store import Study

    with Study("runs/demo") as study:
        for trial in study.trials():
            print(trial.recipe, trial.learning_rate, trial.seed, trial.status, trial.excess)
        steps = study.steps(study.trials()[0])        # {"step": [...], "loss": [...], ...}

Reading changes nothing and needs the standard library alone; a study that is running can be read.  Columns are lists; where
NumPy is installed, `as_arrays` makes arrays of them.  A value that is not known is None; a loss that is not a number, too.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping

__all__ = ["SCHEMA_VERSION", "Study", "Trial", "as_arrays", "exponent_counts", "mean", "scale_changes"]

SCHEMA_VERSION = 1  # what src/study/store.hpp writes
FILE_NAME = "study.db"
DETAILS = ("nans", "infinities", "exact", "subnormal", "top_binade", "smallest_scale", "largest_scale", "headroom", "bias",
           "cosine", "exponents")


@dataclass(frozen=True)
class Trial:
    """One training: a recipe, a learning rate and a seed, and what came of it.  Losses are in nat per token (or byte)."""

    id: int
    recipe: str
    recipe_text: str
    learning_rate: float
    seed: int
    status: str  # pending, running, done, diverged or failed
    divergence: str | None  # nonfinite, blowup, stuck, slow or None
    steps_done: int
    initial_loss: float | None
    final_train_loss: float | None
    validation_loss: float | None
    validation_floor: float | None
    weights_digest: str | None
    cpu: str | None
    compiler: str | None
    binade_version: str | None
    started: str | None
    seconds: float
    tokens: int

    @property
    def excess(self) -> float | None:
        """Validation loss above the entropy of the same tokens; None while either is not known."""
        if self.status != "done" or self.validation_loss is None or self.validation_floor is None:
            return None
        return self.validation_loss - self.validation_floor


class Study:
    """A study's folder, opened for reading.

    Raises FileNotFoundError if there is no study, and ValueError for a store of another schema version.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        file = self.folder / FILE_NAME
        if not file.is_file():
            raise FileNotFoundError(f"Study: {self.folder} holds no {FILE_NAME}; give the folder named by `binade study --out`")
        self._connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            self.properties: dict[str, str] = dict(self._connection.execute("SELECT key, value FROM study"))
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ValueError(f"Study: {file} is no study that can be read: {error}") from error
        found = self.properties.get("schema_version")
        if found != str(SCHEMA_VERSION):
            self._connection.close()
            raise ValueError(f"Study: {file} has schema version {found}, and this module reads version {SCHEMA_VERSION}")

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def name(self) -> str:
        return self.properties.get("name", "")

    @property
    def unit(self) -> str:
        """What losses are counted per: token or byte."""
        return self.properties.get("unit", "token")

    @property
    def baseline(self) -> str | None:
        return self.properties.get("baseline")

    @property
    def floor(self) -> float | None:
        """Entropy of the validation set in nat per token; None where the data have no known law."""
        text = self.properties.get("floor")
        return float(text) if text else None

    def trials(self, *, recipe: str | None = None, status: str | None = None) -> list[Trial]:
        """All trials in the order of the grid, or those of one recipe or status."""
        names = ", ".join(Trial.__dataclass_fields__)
        found = [Trial(*row) for row in self._connection.execute(f"SELECT {names} FROM trial ORDER BY id")]
        return [t for t in found if recipe in (None, t.recipe) and status in (None, t.status)]

    def recipes(self) -> list[str]:
        """Labels in the order of the grid."""
        return list(dict.fromkeys(trial.recipe for trial in self.trials()))

    def steps(self, trial: Trial | int) -> dict[str, list]:
        """Columns step, loss, floor, learning_rate, gradient_norm, clipped: one row per training step."""
        return self._columns("step", ("step", "loss", "floor", "learning_rate", "gradient_norm", "clipped"), trial, "step")

    def evaluations(self, trial: Trial | int) -> dict[str, list]:
        """Columns step, validation_loss."""
        return self._columns("evaluation", ("step", "validation_loss"), trial, "step")

    def quantization(self, trial: Trial | int) -> dict[str, list]:
        """Columns step, site, gemm, operand, count, nonzero, saturated, underflowed, amax, sqnr_db, nans, infinities, exact,
        subnormal, top_binade, smallest_scale, largest_scale, headroom, bias, cosine, exponents; from nans on None in the rows
        of a loss scale and of an older store.  `exponent_counts` reads the last one."""
        columns = ("step", "site", "gemm", "operand", "count", "nonzero", "saturated", "underflowed", "amax", "sqnr_db")
        there = {row[1] for row in self._connection.execute("PRAGMA table_info(quantization)")}
        found = self._columns("quantization", columns + tuple(name for name in DETAILS if name in there), trial,
                              "step, site, gemm, operand")
        return found | {name: [None] * len(found["step"]) for name in DETAILS if name not in there}

    def measurements(self, trial: Trial | int) -> dict[str, list]:
        """Columns step, subject, quantity, value: what was measured of activations, logits, weights, gradients and updates."""
        if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'measurement'").fetchone():
            return {name: [] for name in ("step", "subject", "quantity", "value")}  # of a store that is older than they are
        return self._columns("measurement", ("step", "subject", "quantity", "value"), trial, "step, subject, quantity")

    def best_learning_rates(self) -> dict[str, float]:
        """By recipe, the learning rate with the smallest mean validation loss over seeds, among those where every seed has
        one: as in report.html, never the best of the seeds.  A recipe without such a rate is left out."""
        best: dict[str, float] = {}
        losses: dict[str, float] = {}
        grid: dict[tuple[str, float], list[Trial]] = {}
        for trial in self.trials():
            grid.setdefault((trial.recipe, trial.learning_rate), []).append(trial)
        for (recipe, rate), trials in sorted(grid.items(), key=lambda item: item[0][1]):
            found = [t.validation_loss if t.status == "done" else None for t in trials]
            if None not in found and mean(found) < losses.get(recipe, math.inf):
                best[recipe], losses[recipe] = rate, mean(found)
        return best

    def _columns(self, table: str, names: tuple[str, ...], trial: Trial | int, order: str) -> dict[str, list]:
        number = trial.id if isinstance(trial, Trial) else trial
        rows = self._connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE trial = ? ORDER BY {order}", (number,))
        columns: dict[str, list] = {name: [] for name in names}
        for row in rows:
            for name, value in zip(names, row):
                columns[name].append(value)
        return columns


def scale_changes(rows: Mapping[str, list]) -> dict[tuple[str, str, str], float]:
    """How many times in 100 steps the scales of an operand changed, by (site, gemm, operand), from the columns of
    `Study.quantization`: its smallest or its largest scale, which are the scale where it has one, is another than in the row
    before.  With `telemetry_every = 1` each step is compared with the one before; else this is the least that it can be,
    since of the changes between two rows one is seen.  Operands with fewer than two rows with scales are left out."""
    seen: dict[tuple[str, str, str], tuple[int, int, int, tuple]] = {}  # first step, last step, changes, scales
    names = ("step", "site", "gemm", "operand", "smallest_scale", "largest_scale")
    for step, *key, least, most in zip(*(rows[name] for name in names)):
        if least is None or most is None:
            continue
        first, _, changes, before = seen.get(tuple(key), (step, step, 0, (least, most)))
        seen[tuple(key)] = (first, step, changes + ((least, most) != before), (least, most))
    return {key: 100 * changes / (last - first) for key, (first, last, changes, _) in seen.items() if last > first}


def exponent_counts(text: str | None) -> dict[int | None, int]:
    """How many elements of the sample have which exponent, floor(log2 |x|), ascending; zeros, if any, under None."""
    if text is None:
        return {}
    zeros, first, *counts = (int(word) for word in text.split())
    found: dict[int | None, int] = {None: zeros} if zeros else {}
    return found | {first + k: count for k, count in enumerate(counts) if count}


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean of at least one value."""
    values = list(values)
    if not values:
        raise ValueError("mean: no values were given, and at least one is needed")
    return math.fsum(values) / len(values)


def as_arrays(columns: Mapping[str, list]) -> dict[str, Any]:
    """Columns as NumPy arrays; None becomes NaN.  Raises ImportError where NumPy is not installed."""
    import numpy

    def array(values: list) -> Any:
        return numpy.array([math.nan if v is None else v for v in values] if None in values else values)

    return {name: array(values) for name, values in columns.items()}
