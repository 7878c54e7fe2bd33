"""Sample rows through a PyTorch model, and what its layers see and matter meanwhile.

Covers: rows one by one without padding; for the readers of groups (_groups.py) the second moments
of their inputs and the Fisher information of their outputs, in one pass.
Does not cover: what follows from both (_importance.py, _refit.py); ONNX files (_inputs.py).

The Fisher information needs no labels: answers are drawn from the model's own probabilities. For
embeddings it is that of a squared error, once of the mean over tokens and once of every token.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard import examples
from wizard.errors import CalibrationTooSmall
from wizard.strategies._contract import Workbench
from wizard.strategies._groups import Group

if TYPE_CHECKING:
    import torch

    Row = dict[str, torch.Tensor]

FEWEST_ROWS = 16
DRAWS = 2  # answers drawn per row
PLACES_AT_ONCE = 256


def rows_of(model: Any, samples: int, bench: Workbench) -> list[Row]:
    """At most `samples` rows as the model takes them, in a random order.

    Raises CalibrationTooSmall below sixteen.
    """
    import numpy as np
    import torch

    feeds = enough_rows(bench)
    accepted = set(inspect.signature(model.forward).parameters)
    order = np.random.default_rng(bench.seed).permutation(len(feeds))[:samples]
    return [
        {
            name: torch.from_numpy(value)
            for name, value in feeds.row(int(at)).items()
            if name in accepted
        }
        for at in order
    ]


def enough_rows(bench: Workbench) -> examples.Feeds:
    """The sample rows. Raises CalibrationTooSmall below sixteen."""
    feeds = None if bench.calibration is None else examples.load_feeds(bench.calibration)
    if feeds is None or len(feeds) < FEWEST_ROWS:
        rows = 0 if feeds is None else len(feeds)
        raise CalibrationTooSmall(rows=rows, needed=FEWEST_ROWS)
    return feeds


def answer(model: Any, row: Row) -> torch.Tensor:
    """Logits [1, classes]; of every token [1, tokens, classes], beginning and end of a span too.

    Of a model without a head the embeddings [1, tokens, hidden].
    """
    import torch

    said = model(**row, return_dict=True)
    if "start_logits" in said:
        return torch.stack((said.start_logits, said.end_logits), dim=-1)
    found: torch.Tensor = said.logits if "logits" in said else said.last_hidden_state
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Of one reader: E[x x'] [inputs + 1, inputs + 1], a constant last; E[g g'] [outputs] twice.

    x is a token's (a patch's) input, g the gradient of the loss there, summed over a row's places.
    """

    inputs: torch.Tensor
    outputs: torch.Tensor


def seen_by(
    model: Any, groups: Sequence[Group], rows: Sequence[Row], bench: Workbench
) -> Iterator[Seen]:
    """What the reader of each group sees, in float64, one at a time to spare memory."""
    import torch

    generator = torch.Generator().manual_seed(bench.seed)
    watched = [_Watched(model.get_submodule(group.reader)) for group in groups]
    for at, row in enumerate(rows):
        bench.report(0.02 + 0.38 * at / len(rows), "finding what matters")
        for one in watched:
            one.out = None
        said = answer(model, row)
        for draw in range(DRAWS):
            towards = _direction(said.detach(), draw, generator)
            slopes = torch.autograd.grad(
                (said * towards).sum(), [one.out for one in watched], retain_graph=draw < DRAWS - 1
            )
            for one, slope in zip(watched, slopes, strict=True):
                one.add(slope)
    for one in watched:
        one.hook.remove()
        yield Seen(
            inputs=one.inputs.total().double() / one.places,
            outputs=one.outputs.total().double() / (len(rows) * DRAWS),
        )
        one.inputs, one.outputs = Crossed(), Crossed()


class Crossed:
    """The sum over rows of a'b, [columns of a, columns of b]; a row gives [places, columns] each.

    Some hundred places are multiplied at once: a product of a row's few places costs as much
    reading and writing of the sum as a product of many.
    """

    def __init__(self) -> None:
        self._sum: Any = None
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._places = 0

    def add(self, a: torch.Tensor, b: torch.Tensor | None = None) -> None:
        """One row's; without `b` it is a'a."""
        self._waiting.append((a, a if b is None else b))
        self._places += len(a)
        if self._places >= PLACES_AT_ONCE:
            self._multiply()

    def total(self) -> torch.Tensor:
        """The sum of everything that was added."""
        self._multiply()
        found: torch.Tensor = self._sum
        return found

    def _multiply(self) -> None:
        import torch

        if not self._waiting:
            return
        a, b = (torch.cat(part) for part in zip(*self._waiting, strict=True))
        self._waiting, self._places = [], 0
        if self._sum is None:
            self._sum = a.T @ b
        else:
            self._sum.addmm_(a.T, b)


class _Watched:
    """Sums over rows at one reader."""

    def __init__(self, module: Any) -> None:
        self.out: Any = None
        self.inputs = Crossed()
        self.outputs = Crossed()
        self.places = 0
        self.hook = module.register_forward_hook(self._see)

    def _see(self, module: Any, given: Any, out: Any) -> None:
        x = with_constant(places(module, given[0].detach()))
        self.inputs.add(x)
        self.places += len(x)
        self.out = out if out.requires_grad else out.requires_grad_()

    def add(self, slope: torch.Tensor) -> None:
        self.outputs.add(flattened(slope))


def _direction(said: torch.Tensor, draw: int, generator: torch.Generator) -> torch.Tensor:
    """Along which the answer is differentiated."""
    import torch

    if said.dim() == 2:
        likely = said.softmax(1)
        drawn = torch.multinomial(likely[0], 1, generator=generator)
        return torch.nn.functional.one_hot(drawn, said.shape[1]) - likely
    tokens = said.shape[1]
    if draw % 2 == 0:
        return torch.randn(1, 1, said.shape[2], generator=generator).expand_as(said) / tokens**0.5
    return torch.randn(said.shape, generator=generator) / tokens**0.5


def flattened(value: torch.Tensor) -> torch.Tensor:
    """[places, outputs] of a row's tokens or of a picture's positions."""
    return value.flatten(2)[0].T if value.dim() == 4 else value[0]


def places(module: Any, given: torch.Tensor) -> torch.Tensor:
    """What each output is a weighted sum of, [places, inputs]."""
    import torch

    if not isinstance(module, torch.nn.Conv2d):
        return given[0]
    patches = torch.nn.functional.unfold(
        given, module.kernel_size, module.dilation, module.padding, module.stride
    )
    return patches[0].T


def with_constant(x: torch.Tensor) -> torch.Tensor:
    """A column of ones at the end: the bias is fitted with the weights."""
    import torch

    return torch.cat([x, torch.ones(len(x), 1)], 1)
