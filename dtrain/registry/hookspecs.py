"""The hooks: one a kind of part. A plugin implements those it has something for.

Each returns a mapping of names to classes, takes nothing, and changes nothing: `dtrain_optimizers` of two
plugins are both called, and parts of the same name are settled by `tryfirst` > plain > `trylast`. A function
that is annotated to return a part may stand in place of its class.

Every example below is a whole plugin: a module `acme.py`, named in its `pyproject.toml` by

    [project.entry-points.dtrain]
    acme = "acme"
"""

from __future__ import annotations

from collections.abc import Mapping

from dtrain.contracts import (
    Activation,
    Callback,
    Dataset,
    Exchange,
    Initializer,
    Layer,
    Loss,
    Metric,
    Optimizer,
    Procedure,
    Regularizer,
    Schedule,
    Transform,
)

from .markers import hookspec


@hookspec
def dtrain_layers() -> Mapping[str, type[Layer]]:
    """Layers by name, for `[[network]]`.

    Example::

        from dtrain import Layer, hookimpl

        class Scale(Layer):
            \"\"\"y = factor·x.   x: (rows, …) → y: (rows, …)\"\"\"

            def __init__(self, factor: float = 2.0):
                self.factor = factor

            def forward(self, x, context):
                def backward(dy):
                    return self.factor * dy

                return self.factor * x, backward

        @hookimpl
        def dtrain_layers():
            return {"scale": Scale}
    """
    return {}


@hookspec
def dtrain_activations() -> Mapping[str, type[Activation]]:
    """Activations by name, for `[[network]]` and for other layers' `activation = `.

    Example::

        import numpy as np
        from dtrain import Activation, hookimpl

        class Softsign(Activation):
            \"\"\"y = x / (1 + |x|).\"\"\"

            def forward(self, x, context):
                scale = 1 / (1 + np.abs(x))

                def backward(dy):
                    return dy * scale * scale

                return x * scale, backward

        @hookimpl
        def dtrain_activations():
            return {"softsign": Softsign}
    """
    return {}


@hookspec
def dtrain_initializers() -> Mapping[str, type[Initializer]]:
    """Initializers by name, for the options of layers.

    Example::

        import numpy as np
        from dtrain import Initializer, hookimpl

        class Constant(Initializer):
            \"\"\"Every element is `value`.\"\"\"

            def __init__(self, value: float = 0.0):
                self.value = value

            def __call__(self, shape, fans, random):
                return np.full(shape, self.value)

        @hookimpl
        def dtrain_initializers():
            return {"constant": Constant}
    """
    return {}


@hookspec
def dtrain_optimizers() -> Mapping[str, type[Optimizer]]:
    """Optimizers by name, for `[optimizer]`.

    Example::

        import numpy as np
        from dtrain import Optimizer, hookimpl

        class SignDescent(Optimizer):
            \"\"\"w ← w − lr·sign(g).\"\"\"

            def __init__(self, lr: float = 1e-3):
                self.lr = lr

            def update(self, value, gradient, context):
                value -= self.lr * np.sign(gradient)

        @hookimpl
        def dtrain_optimizers():
            return {"sign_descent": SignDescent}
    """
    return {}


@hookspec
def dtrain_losses() -> Mapping[str, type[Loss]]:
    """Losses by name, for `[loss]`.

    Example::

        import numpy as np
        from dtrain import Loss, hookimpl

        class AbsoluteError(Loss):
            \"\"\"Σ|y − t| of a row.   y, t: (rows, n) → values: (rows,)\"\"\"

            def forward(self, y, target, context):
                return np.abs(y - target).sum(axis=1), lambda: np.sign(y - target)

        @hookimpl
        def dtrain_losses():
            return {"absolute_error": AbsoluteError}
    """
    return {}


@hookspec
def dtrain_schedules() -> Mapping[str, type[Schedule]]:
    """Schedules by name, for `[[schedule]]`.

    Example::

        from dtrain import Schedule, hookimpl

        class Halving(Schedule):
            \"\"\"A factor that halves every `every` steps.\"\"\"

            def __init__(self, every: int = 1000):
                self.every = every

            def __call__(self, step, steps, epoch):
                return 0.5 ** (step // self.every)

        @hookimpl
        def dtrain_schedules():
            return {"halving": Halving}
    """
    return {}


@hookspec
def dtrain_regularizers() -> Mapping[str, type[Regularizer]]:
    """Regularizers by name, for `[[regularizer]]`.

    Example::

        from dtrain import Regularizer, hookimpl

        class Quartic(Regularizer):
            \"\"\"weight·Σw⁴.\"\"\"

            def __init__(self, weight: float = 1e-4):
                self.weight = weight

            def penalty(self, value):
                return self.weight * float((value**4).sum())

            def gradient(self, value, out):
                out += 4 * self.weight * value**3

        @hookimpl
        def dtrain_regularizers():
            return {"quartic": Quartic}
    """
    return {}


@hookspec
def dtrain_metrics() -> Mapping[str, type[Metric]]:
    """Metrics by name, for `[train] metrics = `.

    Example::

        import numpy as np
        from dtrain import Metric, hookimpl

        class LargestError(Metric):
            \"\"\"The mean over rows of max|y − t|.\"\"\"

            higher_is_better = False

            def forward(self, y, target, context):
                return np.abs(y - target).max(axis=1)

        @hookimpl
        def dtrain_metrics():
            return {"largest_error": LargestError}
    """
    return {}


@hookspec
def dtrain_datasets() -> Mapping[str, type[Dataset]]:
    """Datasets by name, for `[data]`.

    Example::

        import numpy as np
        from dtrain import ArrayRows, Dataset, hookimpl

        class Parity(Dataset):
            \"\"\"All words of `bits` bits, and whether their sum is odd.   x: (bits,) → y: 0 or 1\"\"\"

            def __init__(self, bits: int = 4):
                x = (np.arange(2**bits)[:, None] >> np.arange(bits)) % 2
                self.train = ArrayRows(x.astype(np.float64), x.sum(axis=1) % 2)

        @hookimpl
        def dtrain_datasets():
            return {"parity": Parity}
    """
    return {}


@hookspec
def dtrain_transforms() -> Mapping[str, type[Transform]]:
    """Transforms by name, for `[[data.transform]]`.

    Example::

        from dtrain import Transform, hookimpl

        class Invert(Transform):
            \"\"\"x ← 1 − x.\"\"\"

            def forward(self, x, y, context):
                return 1 - x, y

        @hookimpl
        def dtrain_transforms():
            return {"invert": Invert}
    """
    return {}


@hookspec
def dtrain_callbacks() -> Mapping[str, type[Callback]]:
    """Callbacks by name, for `[[callback]]`.

    Example::

        from dtrain import Callback, hookimpl

        class GoodEnough(Callback):
            \"\"\"Ends the run when the training loss falls below `loss`.\"\"\"

            def __init__(self, loss: float):
                self.loss = loss

            def after_epoch(self, run):
                if run.train["loss"] < self.loss:
                    run.stop(f"the loss fell below {self.loss}")

        @hookimpl
        def dtrain_callbacks():
            return {"good_enough": GoodEnough}
    """
    return {}


@hookspec
def dtrain_exchanges() -> Mapping[str, type[Exchange]]:
    """Exchanges by name, for `[train] exchange`: how the ranks' gradients, or their values, meet.

    Example::

        import numpy as np
        from dtrain import GradientExchange, hookimpl

        class Half(GradientExchange):
            \"\"\"Gradients travel as float16; each rank adds all of them, in the order of ranks.\"\"\"

            def total(self, part):
                every = yield from part.gather(part.gradient.astype(np.float16))
                part.gradient[:] = np.add.reduce(every, axis=0, dtype=part.gradient.dtype)

        @hookimpl
        def dtrain_exchanges():
            return {"half": Half}
    """
    return {}


@hookspec
def dtrain_procedures() -> Mapping[str, type[Procedure]]:
    """Procedures by name, for `[procedure]`: what a run does instead of plain training.

    Example::

        from dtrain import Procedure, hookimpl

        class GentleStart(Procedure):
            \"\"\"Takes `count` steps at a tenth of the learning rate, then trains as the config says.\"\"\"

            def __init__(self, count: int = 10):
                self.count = count

            def run(self, course):
                for _ in range(self.count):
                    course.take_step({"lr": 0.1 * course.options["lr"]})
                course.train_on()

        @hookimpl
        def dtrain_procedures():
            return {"gentle_start": GentleStart}
    """
    return {}
