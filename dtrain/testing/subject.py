"""The part under test: a factory, one example of its options, and what the example says about its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from math import prod
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dtrain.contracts import KINDS, Solver
from dtrain.errors import PluginError, listed
from dtrain.registry import Bound, Entry, Registry, hookimpl
from dtrain.registry.signature import signature_of

from .data import TARGETS

if TYPE_CHECKING:
    from dtrain.types import Shape

    from .failure import Failure

Factory = Callable[..., Any]

_INPUT = ("input", "range", "complex", "whole")
KEYS: dict[str, tuple[str, ...]] = {
    "layers": _INPUT,
    "activations": _INPUT,
    "losses": ("input", "range", "complex", "target"),
    "metrics": ("input", "range", "target"),
    "transforms": ("input", "range", "target", "whole"),
    "initializers": ("input",),
    "optimizers": ("range", "outputs"),
    "regularizers": ("range",),
}
"""The keys of an example that are for the checks; all others are the part's options."""

_TARGET = {"losses": "real", "metrics": "classes"}


class Subject:
    """Makes fresh instances of one part with one set of options, and describes what they take.

    input: the shape of a sample; a list of shapes for a layer with several inputs. range: (low, high) of the
    numbers it takes, or None. complex: whether it takes complex numbers; None: to be found out. known: what came of
    checks that others build on.
    """

    def __init__(self, bound: Bound, example: Mapping[str, Any], registry: Registry | None) -> None:
        self.bound, self.registry = bound, registry
        self.kind, self.name = bound.kind, bound.name
        self.known: dict[str, Failure | None] = {}
        example = {key: value for key, value in example.items() if key in KEYS.get(self.kind, ())}
        self.given_input = "input" in example
        self.input: Any = example.get("input", (8,))
        self.target: Any = example.get("target", _TARGET.get(self.kind))
        self.range: tuple[float, float] | None = example.get("range")
        self.complex: bool | None = example.get("complex")
        self.outputs: int | None = example.get("outputs")
        self.whole: bool = example.get("whole", False)
        if isinstance(self.target, str) and self.target not in TARGETS:
            raise ValueError(
                f"{bound}: target must be one of {listed(TARGETS)}, or a function, got {self.target!r}"
            )

    def make(self) -> Any:
        """Returns a fresh instance."""
        return self.bound.build()

    @cached_property
    def surrogate(self) -> str:
        """Why the part's gradient is not the derivative, as it declares; empty: it is."""
        return getattr(self.make(), "surrogate", "")

    @property
    def is_layer(self) -> bool:
        """Whether the part is a layer or an activation."""
        return self.kind in ("layers", "activations")

    @cached_property
    def sort(self) -> str:
        """The kind, or "solvers" for an optimizer with a step of its own: other checks apply to it."""
        return "solvers" if self.kind == "optimizers" and _is_solver(self) else self.kind

    @property
    def inputs(self) -> list[Shape] | None:
        """The shapes of a sample of each input, for a layer that takes several; else None."""
        return [tuple(shape) for shape in self.input] if isinstance(self.input, list) else None

    @cached_property
    def flat_input(self) -> Shape:
        """The shape of one sample of x; several inputs lie one behind another."""
        inputs = self.inputs
        return tuple(self.input) if inputs is None else (sum(map(prod, inputs)),)

    @cached_property
    def output(self) -> Shape:
        """The shape that one sample of a layer's output really has, whatever `build` says."""
        from .guard import true_output

        return true_output(self)


def _is_solver(subject: Subject) -> bool:
    factory = subject.bound.factory
    if isinstance(factory, type):
        return issubclass(factory, Solver)
    return isinstance(subject.make(), Solver)


@lru_cache(1)
def installed() -> Registry:
    """Returns the parts of all installed plugins."""
    return Registry.load()


def subjects(
    kind: str, factory: Factory | Bound | str, example: Mapping[str, Any], registry: Registry | None = None,
    examples: Iterable[Mapping[str, Any]] = (),
) -> Iterator[tuple[str, Subject]]:  # fmt: skip
    """Yields each example of a part with a text that tells it from the others.

    example: instead of those that the part declares. examples: in addition to them.
    Raises PluginError and ConfigError for what no config could hold.
    """
    if isinstance(factory, Bound):
        known = registry or installed()
        found = known if factory.name in known.names(kind) else None
        yield "", Subject(factory, example, found)
        return
    name, found, made = _find(kind, factory, registry)
    declared = getattr(made, "examples", None)
    many: list[Mapping[str, Any]] = [dict(example)] if example else [*(declared or _default(made))]
    many += (one for one in examples if one not in many)
    for one in many:
        options = {key: value for key, value in one.items() if key not in KEYS.get(kind, ())}
        if found is None:
            bound = Bound(Entry(kind, name, "given", None, None), made, options, frozenset(), f"[{kind}]")
        else:
            bound = found.bind(kind, name, options, f"[{kind}]")
        text = ", ".join(f"{key}={value!r}" for key, value in one.items() if not callable(value))
        yield text if len(many) > 1 or example else "", Subject(bound, one, found)


def _default(factory: Factory) -> list[Mapping[str, Any]]:
    """Returns the example without options; none where there is an option that has to be given."""
    return [] if signature_of(factory, "the part").missing({}) else [{}]


def _find(
    kind: str, factory: Factory | str, registry: Registry | None
) -> tuple[str, Registry | None, Factory]:
    """Returns the part's name, a registry that knows it, and its factory."""
    if kind not in KINDS:
        raise PluginError(f"no kind of part is called {kind!r}; kinds: {listed(KINDS)}")
    known = registry or installed()
    if isinstance(factory, str):
        return factory, known, known.factory(kind, factory)
    for name in known.names(kind):
        if known.factory(kind, name) is factory:
            return name, known, factory
    name = _snake(getattr(factory, "__name__", "part"))
    return (name, _with(kind, name, factory), factory) if isinstance(factory, type) else (name, None, factory)


@lru_cache(64)
def _with(kind: str, name: str, factory: Factory) -> Registry:
    """Returns the installed parts and this one, which wins."""
    hook = f"dtrain_{kind}"

    def offer() -> dict[str, Factory]:
        return {name: factory}

    offer.__name__ = hook
    plugin = SimpleNamespace(**{hook: hookimpl(tryfirst=True)(offer)})
    return Registry.load(extra=[("given", plugin)])


def _snake(name: str) -> str:
    """Returns `BatchNorm` as `batch_norm`."""
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name if c.isalnum() or c == "_")
    return "_".join(word for word in words.split("_") if word) or "part"
