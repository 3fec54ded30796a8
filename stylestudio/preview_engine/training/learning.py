"""Training of a sketch LoRA: real gradient steps on measurements of pictures, with their true error as the loss.

Each step takes some pictures of the set, and for each of them what the painter would have drawn by habit. The layers
turn the habit into a measurement, and the loss is its distance from the picture: for every level of every direction,
the difference between the share of the picture's colours below the level and the share that should be there; for
every band, how much stronger or weaker its grain is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stylestudio.preview_engine.painter.fields import Field, stream
from stylestudio.preview_engine.painter.learned import (
    GAIN,
    TEXTURE_UNIT,
    Learned,
    palette_input,
    texture_input,
    through_palette,
)
from stylestudio.preview_engine.painter.measures import DIRECTIONS, LEVELS, RADII, Measure, Swatch, habits, strengths

PIXELS = 256  # of a picture, used in one step
JITTER = 0.02  # how much two pictures of the same habit differ
TEXTURE_WEIGHT = 0.25  # of a doubling of grain, relative to a share of colours

OPTIMIZERS = ("AdamW", "Adam", "SGD", "RMSprop")
LOSSES: dict[str, tuple[Callable[[Field], Field], Callable[[Field], Field]]] = {
    # The loss of an error, and its derivative.
    "MSE": (np.square, lambda error: 2 * error),
    "L1": (np.abs, np.sign),
    "Huber": (lambda error: _rounded(error), lambda error: np.clip(error, -1, 1)),
    "SmoothL1": (lambda error: _rounded(error), lambda error: np.clip(error, -1, 1)),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parameters of a training; names and ranges are those of ComfyUI's node."""

    learning_rate: float = 0.0005
    rank: int = 8
    batch_size: int = 1
    accumulation: int = 1
    optimizer: str = "AdamW"
    loss_function: str = "MSE"
    seed: int = 0


class Training:
    """Learns from swatches, one step at a time. Deterministic: the same pictures, recipe and start give the same LoRA.

    With a start, training continues from its weights and rank; the optimizer starts afresh, as in ComfyUI.
    """

    def __init__(self, pictures: Sequence[Swatch], recipe: Recipe, start: Learned | None = None) -> None:
        self._pictures = [
            # Half the memory; the rounding error is far below what one step can resolve.
            Swatch(picture.pixels.astype(np.float16), picture.bands.astype(np.float16))
            for picture in pictures
        ]
        self._recipe = recipe
        self._rng = stream("training", recipe.seed)
        self._cost, self._slope = LOSSES[recipe.loss_function]
        self._weights = _copied(start) if start else _fresh(recipe.rank, self._rng)
        self._scale = start.scale if start else GAIN / recipe.rank
        self._alpha = start.alpha if start else 1.0
        self._optimizer = _Optimizer(recipe.optimizer, recipe.learning_rate, self._weights)
        self._gradients = [np.zeros_like(weight) for weight in self._weights]
        self._micro_steps = 0

    def step(self) -> float:
        """Run one micro step and return its loss; the weights change after every `accumulation` of them."""
        with np.errstate(all="ignore"):  # a learning rate that is far too high ends in NaN, as in other trainers
            count = min(self._recipe.batch_size, len(self._pictures))
            chosen = self._rng.permutation(len(self._pictures))[:count]
            loss = sum(self._learn(self._pictures[place], count) for place in chosen) / count
            self._micro_steps += 1
            if self._micro_steps % self._recipe.accumulation == 0:
                self._optimizer.step(self._weights, self._gradients)
                for gradient in self._gradients:
                    gradient[:] = 0
        return float(loss)

    def learned(self) -> Learned:
        """The result so far."""
        first, second, third, fourth = (weight.astype(np.float32) for weight in self._weights)
        return Learned(first, second, third, fourth, self._alpha)

    def _learn(self, picture: Swatch, count: int) -> float:
        """Add one picture's gradients and return the loss."""
        palette_up, palette_down, texture_up, texture_down = self._weights
        habit = self._habit()
        colours_in, grain_in = palette_input(habit), texture_input(habit)
        hidden, grain_hidden = palette_down @ colours_in, texture_down @ grain_in
        colours = habit.colours + self._scale * through_palette(palette_up, hidden)
        grain = habit.texture + self._scale * TEXTURE_UNIT * (texture_up @ grain_hidden)

        error, grain_error = self._colour_error(picture, colours), self._grain_error(picture, grain)
        weight = self._scale / (2 * count * self._recipe.accumulation)
        slope = self._slope(error) * (weight / error.size)
        grain_slope = self._slope(grain_error) * (weight / grain_error.size)
        rank = hidden.shape[0]
        blocks = palette_up.reshape(len(DIRECTIONS), len(LEVELS), rank)
        gradients = (
            np.einsum("dl,rd->dlr", slope, hidden).reshape(-1, rank),
            np.einsum("dlr,dl->rd", blocks, slope) @ colours_in.T,
            np.outer(grain_slope, grain_hidden),
            np.outer(texture_up.T @ grain_slope, grain_in),
        )
        for total, gradient in zip(self._gradients, gradients, strict=True):
            total += gradient
        return float(self._cost(error).mean() + self._cost(grain_error).mean()) / 2

    def _habit(self) -> Measure:
        every = habits()
        habit = every[int(self._rng.integers(len(every)))]
        return Measure(habit.colours + self._rng.normal(0, JITTER, habit.colours.shape), habit.texture)

    def _colour_error(self, picture: Swatch, colours: Field) -> Field:
        """For each level, the share of the picture's colours below it, minus the share that it stands for."""
        sample = picture.pixels[self._rng.integers(0, len(picture.pixels), PIXELS)].astype(np.float32)
        along = np.sort(sample @ DIRECTIONS.T, axis=0)
        below = [np.searchsorted(column, row) for column, row in zip(along.T, colours, strict=True)]
        return np.stack(below) / PIXELS - LEVELS

    def _grain_error(self, picture: Swatch, grain: Field) -> Field:
        """By how much each band is too strong, in a random part of the picture."""
        height, width = picture.bands.shape[1:]
        side = max(8, min(height, width) // 2)
        top, left = self._rng.integers(0, max(1, height - side + 1)), self._rng.integers(0, max(1, width - side + 1))
        part = picture.bands[:, top : top + side, left : left + side]
        return (grain - strengths(part)) * TEXTURE_WEIGHT


def _fresh(rank: int, rng: np.random.Generator) -> list[Field]:
    """Initial weights that have no effect: up is zero, down is random."""
    return [
        np.zeros((len(DIRECTIONS) * len(LEVELS), rank)),
        rng.normal(0, 1, (rank, len(LEVELS) + 1)),
        np.zeros((len(RADII), rank)),
        rng.normal(0, 1, (rank, len(RADII) + 1)),
    ]


def _copied(start: Learned) -> list[Field]:
    parts = (start.palette_up, start.palette_down, start.texture_up, start.texture_down)
    return [part.astype(np.float64) for part in parts]


def _rounded(error: Field) -> Field:
    size = np.abs(error)
    return np.where(size < 1, 0.5 * error**2, size - 0.5)


class _Optimizer:
    """The four optimizers that ComfyUI offers, with the usual constants."""

    def __init__(self, name: str, learning_rate: float, weights: Sequence[Field]) -> None:
        self._name = name
        self._rate = learning_rate
        self._mean = [np.zeros_like(weight) for weight in weights]
        self._square = [np.zeros_like(weight) for weight in weights]
        self._steps = 0

    def step(self, weights: Sequence[Field], gradients: Sequence[Field]) -> None:
        """Update the weights in place."""
        self._steps += 1
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            if self._name == "AdamW":
                weight *= 1 - self._rate * 0.01
            weight -= self._rate * self._direction(place, gradient)

    def _direction(self, place: int, gradient: Field) -> Field:
        if self._name == "SGD":
            return gradient
        mean, square = self._mean[place], self._square[place]
        if self._name == "RMSprop":
            square[:] = 0.99 * square + 0.01 * gradient**2
            return gradient / (np.sqrt(square) + 1e-8)
        mean[:] = 0.9 * mean + 0.1 * gradient
        square[:] = 0.999 * square + 0.001 * gradient**2
        steady = mean / (1 - 0.9**self._steps)
        return np.asarray(steady / (np.sqrt(square / (1 - 0.999**self._steps)) + 1e-8))
