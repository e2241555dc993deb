"""What a layer is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from .configurable import Configurable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dtrain.engine.context import Context
    from dtrain.engine.maker import Maker
    from dtrain.types import Array, Backward, Shape

    from .output import Span


class StatisticsOver(NamedTuple):
    """The values that one mean or variance is taken over, of those by which a layer normalizes.

    across: "batch": all rows of a batch (of a micro-batch with `accumulate`, of a rank's rows where ranks train
    alone); "training set": all samples that the layer's `fit` sees; "sample": one sample only.
    per_sample: how many values each sample contributes, such as the places of an image for a variance per channel.
    group: for "batch", the number of consecutive shards whose rows have statistics of their own; None: all.
    centred: whether the mean is subtracted; False where x is divided by a mean square alone.
    """

    across: Literal["batch", "training set", "sample"]
    per_sample: int
    group: int | None = None
    centred: bool = True


class Layer(Configurable):
    """A plain function of the rows that this rank holds, and its derivative.

    `x` and `y` are C-contiguous arrays of shape (rows, …) in the run's dtype; a rank may hold no row.
    Elementwise and row-wise work is plain NumPy. What crosses rows goes through the doors of the
    `context` (`sum`, `sum_of`, `max`, `moments`, `gradient`, `matmul`, `uniform`, `normal`, `bernoulli`,
    `stream`): a bare `x.sum(axis=0)` sees this rank's rows only. Layers that draw random numbers ask
    `context.sampling`, which is `context.training` but for Monte-Carlo dropout.

    A layer that names several `inputs` gets a tuple of shapes, a tuple of arrays, and returns a tuple of
    gradients from its backward.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks of `dtrain.testing` build this part: options, one table an example, and what it takes.

    "input": the shape of one sample (default (8,)); a list of shapes for a layer that names several `inputs`.
    "range": (low, high), where x has to lie; default: ordinary numbers, gradients up to ±30, and up to ±1e4
    without a warning.
    "whole": True for whole numbers low … high − 1 (indices): then no dx is checked.
    "complex": whether forward takes complex numbers, so that a complex step proves backward to 1e-10, beside
    differences in float64, which are taken in any case; by default that is found out.
    """

    expected_failed_checks: ClassVar[dict[str, str]] = {}
    """Checks that this part is known to fail: id → reason. A part of any kind may have one."""

    inputs: tuple[str, ...] = ()
    """Ids of the layers whose outputs this one takes; empty: the layer above it."""

    surrogate: str = ""
    """Why what backward gives is not the derivative of the loss that is reported; empty: it is.

    Optimizers that solve for a minimum (`Solver`) refuse such a layer: they would compare a loss with the
    gradient of another. The checks of `dtrain.testing` leave its gradients alone.
    """

    needs_dx: bool = True
    """Whether anybody uses dx. The network sets it to False right behind the data: backward may return None then."""

    fits: str = ""
    """When this layer learns from a pass over the training set.

    "start": before the first step; "end": after the last; "": never.
    """

    absorbs_bias: ClassVar[bool] = False
    """Whether a constant added to all rows of x leaves y as it is, as in a batch norm: no bias is needed in front."""

    statistics_over: StatisticsOver | None = None
    """What the statistics by which this layer normalizes x are taken over; `build` sets it. None: it has none.

    The mean of a single value is that value and its variance is 0: an output normalized by them does not depend on x.
    By this attribute a run in which that is certain is refused before the first step, and one warned about where only
    the last batch of an epoch is so short, or statistics across one sample are of one value.
    """

    grid: Shape = ()
    """The shape of one input sample of a layer that takes it as places and, last, channels; set in `build`.

    Then the user is warned where the data look as if their channels came first. (): another layer.
    """

    def build(self, shape: Shape, make: Maker) -> Shape:
        """Makes parameters and state; takes the shape of one input sample, returns that of one output sample."""
        return shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        """Returns `(y, backward)`; what backward needs lives in the closure. `x` and `dy` are read-only."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def output_span(self, taken: Span | None) -> Span | None:
        """Return where the numbers of y lie, in training and in inference, whatever the parameters; None: not known.

        taken: where those of x lie; None: not known, or there are several inputs. Called after `build`. Losses of
        probabilities or rates ask for it; outputs of which it is not known are looked at before the first step and
        at the end of each epoch.
        """
        return None

    def fit(self, batches: Iterable[Array], context: Context) -> None:
        """Learns from the training set, on all ranks together.

        batches: may be iterated several times; each item holds this rank's rows (maybe none) of one global batch
        as they reach this layer, the layers before it in inference (and fitted already). The context's doors
        belong to the item at hand; what is learned goes into parameters' or states' arrays (`state.value = …`,
        `parameter.value[...] = …`), the same on all ranks.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fit")
