"""A plugin of parts that depend on the number of ranks, each by one mistake that plugin authors make."""

CODE = """
    import numpy as np
    from dtrain import Callback, Layer, Loss, Transform, hookimpl

    class Centre(Layer):
        def forward(self, x, context):
            n = max(len(x), 1)
            return x - x.sum(axis=0) / n, lambda dy: dy - dy.sum(axis=0) / n

    class Backwards(Layer):
        def forward(self, x, context):
            return x.copy(), lambda dy: dy - dy.sum(axis=0) / 64

    class OwnRandom(Layer):
        def forward(self, x, context):
            kept = np.random.default_rng().random(x.shape) < 0.5
            return x * kept, lambda dy: dy * kept

    class OwnRows(Layer):
        def build(self, shape, make):
            self.mean = make.state("mean", shape)
            return shape

        def forward(self, x, context):
            if context.training and len(x):
                context.update(self.mean, 0.9 * self.mean.value + 0.1 * x.mean(axis=0))
            return x.copy(), lambda dy: dy.copy()

    class Hidden(Layer):
        def __init__(self):
            self.last = 0.0

        def forward(self, x, context):
            y = x + np.asarray(self.last, x.dtype)
            if context.training and len(x):
                self.last = float(x[0, 0])
            return y, lambda dy: dy.copy()

    class AllRows(Layer):
        def build(self, shape, make):
            self.bias = make.parameter("bias", shape, "zeros", role="bias")
            return shape

        def forward(self, x, context):
            def backward(dy):
                def of(rows, out):
                    out[...] = dy[:1].sum(axis=0) * len(dy)

                context.gradient(self.bias, of)
                return dy.copy()

            return x + self.bias.value, backward

    class Jitter(Transform):
        def forward(self, x, y, context):
            return x + np.arange(len(x), dtype=x.dtype)[:, None], y

    class MeanOfRank(Loss):
        def forward(self, y, target, context):
            error = y - np.eye(y.shape[1], dtype=y.dtype)[target]
            n = max(len(y), 1)
            return (error**2).sum(axis=1) / n, lambda: 2 * error / n

    class SlopeOfRank(Loss):
        def forward(self, y, target, context):
            error = y - np.eye(y.shape[1], dtype=y.dtype)[target]
            return (error**2).sum(axis=1), lambda: 2 * error / max(len(y), 1)

    class Quit(Callback):
        def after_epoch(self, run):
            if run.communicator.size > 2:
                run.stop("many")

    class Fails(Callback):
        def after_step(self, run):
            if run.communicator.size > 2 and run.step == 2:
                raise RuntimeError("too many")

    @hookimpl
    def dtrain_layers():
        return {"centre": Centre, "backwards": Backwards, "own_random": OwnRandom, "own_rows": OwnRows,
                "hidden": Hidden, "all_rows": AllRows}

    @hookimpl
    def dtrain_transforms():
        return {"jitter": Jitter}

    @hookimpl
    def dtrain_losses():
        return {"mean_of_rank": MeanOfRank, "slope_of_rank": SlopeOfRank}

    @hookimpl
    def dtrain_callbacks():
        return {"quit": Quit, "fails": Fails}
"""
