from __future__ import annotations

from typing import Any

from dtrain import Schedule

from ..ranges import Count, Share


class Warmup(Schedule):
    """Rises to 1 along a line in the first `length` updates, in front of any other schedule.

    The factor is start + (1 − start)·(t + 1)/length where t < length: the last of these updates gets 1, and the
    first is not lost at 0. t: updates (or epochs, `unit`) done; T: in all.

    length: ≥ 1, counted like t. start: where the line would be one update before the first, in [0, 1]. then: the
    schedule that begins when the warm-up is over, as if the run began there: it is asked at t − length of
    T − length. Without `then` the factor stays 1. Raises ValueError for an option out of range.

    Several schedules of one option multiply, so a [[schedule]] beside this one goes on under the warm-up, from
    t = 0 on; `then` puts it behind. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour",
    2017: their gradual warm-up.
    """

    examples = [{"length": 5}, {"length": 3, "start": 0.5, "then": "linear"}]

    def __init__(self, length: Count, start: Share = 0.0, then: Schedule | None = None) -> None:
        self.length, self.start, self.then = length, start, then
        if then is not None:
            self.metric = then.metric

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        if step < self.length:
            return self.start + (1 - self.start) * (step + 1) / self.length
        if self.then is None:
            return 1.0
        return self.then(step - self.length, steps - self.length, epoch)

    def remark(self, steps: int) -> str:
        if self.length > steps:
            end = self(steps - 1, steps, 0.0)
            return f"length {self.length} is more than there are, so that the factor ends at {end:.3g}"
        return "" if self.then is None else self.then.remark(steps - self.length)

    def observe(self, value: float) -> None:
        if self.then is not None:
            self.then.observe(value)

    def state(self) -> dict[str, Any]:
        return {} if self.then is None else {"then": self.then.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        if self.then is not None:
            self.then.load_state(state["then"])
