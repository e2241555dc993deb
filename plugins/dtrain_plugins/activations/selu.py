from __future__ import annotations

from .elu import Elu


class Selu(Elu):
    """y = λ·elu(x) with the α and λ that keep zero mean and unit variance from layer to layer.

    x: (rows, …) → y: the same shape. α = 1.67326…, λ = 1.05070…; for weights drawn with `lecun_normal`.

    Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", 2017.
    """

    examples = [{}]
    scale = 1.0507009873554804934193349852946

    def __init__(self) -> None:
        super().__init__(1.6732632423543772848170429916717)
