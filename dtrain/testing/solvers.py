"""An optimizer with a step of its own keeps its contract: it goes down, on any slices, and comes to an end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import run_ranks

from .failure import Failure, check_equal, check_near, differ
from .toy import SIZE, Parabola

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .subject import Subject

STEPS = 3


def play(solver: Any, problem: Parabola, steps: int = STEPS) -> Array:
    """Returns the value after some steps."""
    for _ in range(steps):
        problem.begin(solver.solve(problem))
    return problem.value


def check_decreases(subject: Subject) -> None:
    """No step on a parabola raises the loss, and three of them halve what there is to fall."""
    solver = subject.make()
    problem = Parabola(solver)
    losses = [problem.loss]
    for _ in range(STEPS):
        problem.begin(solver.solve(problem))
        losses.append(problem.loss)
    advice = "go along −gradient or a direction whose dot with the gradient is below 0, and only where the loss falls"
    for i, (before, after) in enumerate(pairwise(losses)):
        if not after <= before + 1e-12:
            raise differ(f"loss after step {i + 1}", f"at most {before:.9g}", f"{after:.9g}", advice)
    if not losses[-1] - 1 <= 0.5 * (losses[0] - 1):
        raise differ(
            f"loss after {STEPS} steps (the least is 1)",
            f"at most {0.5 + losses[0] / 2:.9g}",
            f"{losses[-1]:.9g}",
            advice,
        )


def check_solve_in_slices(subject: Subject) -> None:
    """Vectors cut over 2, 3 and 5 ranks give the same value: what crosses elements goes through `problem.dot`."""
    solver = subject.make()
    whole = play(solver, Parabola(solver))
    for n in (2, 3, 5):
        for own, value in run_ranks(n, lambda c: _rank(subject, c)):
            check_near(
                f"value on {n} ranks", whole[own], value, 1e-9,
                "a vector is one rank's slice: sums over elements are problem.dot, norms problem.norm",
            )  # fmt: skip


def _rank(subject: Subject, communicator: Communicator) -> tuple[slice, Array]:
    solver = subject.make()
    problem = Parabola(solver, communicator)
    return problem.own, play(solver, problem)


def check_solver_dtype(subject: Subject) -> None:
    """What `solve` returns has the parameters' dtype and shape."""
    for dtype in (np.float32, np.float64):
        solver = subject.make()
        problem = Parabola(solver, dtype=dtype)
        value = solver.solve(problem)
        check_equal("shape of what solve returns", (SIZE,), np.shape(value))
        check_equal(
            f"dtype of what solve returns, for {np.dtype(dtype)}", np.dtype(dtype), value.dtype,
            "numbers of problem.dot are Python's, which keep an array's dtype; NumPy's float64 do not",
        )  # fmt: skip


def check_solver_finite(subject: Subject) -> None:
    """At the minimum, and where the loss is no number a little way off, a step still returns finite numbers."""
    for what, start, radius in (
        ("at the minimum, where the gradient is 0", 0.0, None),
        ("with a loss that is no number farther than 0.1 away", 1.0, 0.1),
    ):
        for dtype in (np.float32, np.float64):
            solver = subject.make()
            try:
                value = play(solver, Parabola(solver, dtype=dtype, start=start, radius=radius), 2)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                raise Failure(f"{what}: expected a value, got {type(error).__name__}: {error}") from error
            if not np.isfinite(value).all():
                raise differ(f"value {what}", "finite numbers", str(value[~np.isfinite(value)][0]))
