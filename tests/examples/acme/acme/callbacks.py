"""A callback."""

from dtrain import Callback


class Goal(Callback):
    """Stops when the training loss of an epoch is at most `loss`. after: epochs that are trained in any case.

    The loss is the total over all ranks, so that all stop together.
    """

    examples = [{"loss": 0.1}, {"loss": 0.1, "after": 2}]

    def __init__(self, loss: float, after: int = 1):
        if after < 1:
            raise ValueError(f"after must be at least 1, got {after}")
        self.loss, self.after = loss, after

    def after_epoch(self, run):
        if run.epoch >= self.after and run.train["loss"] <= self.loss:
            run.stop(f"the training loss reached the goal of {self.loss}")
