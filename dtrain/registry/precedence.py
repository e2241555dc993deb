"""Which plugin provides a part that several offer: never a question of the order of loading."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from dtrain.contracts import KINDS
from dtrain.errors import ConfigError, PluginError, did_you_mean, listed

from .kinds import noun
from .offers import Offer

Key = tuple[str, str]
"""The kind and the name of a part."""


def choose(offers: list[Offer], prefer: Mapping[str, str]) -> dict[Key, list[Offer]]:
    """Returns the offers of each part, the chosen one first, then those it replaces.

    offers: sorted. prefer: `optimizers.adam` to the name of a plugin.
    Raises PluginError for a tie and for a name that is both a layer and an activation, and ConfigError
    for a preference that cannot be met.
    """
    parts = {key: list(group) for key, group in groupby(offers, key=lambda offer: (offer.kind, offer.name))}
    wanted = {_key(path, parts): plugin for path, plugin in prefer.items()}
    chosen = {key: _ranked(rivals, wanted.get(key)) for key, rivals in parts.items()}
    _check_both(chosen)
    return chosen


def _key(path: str, parts: dict[Key, list[Offer]]) -> Key:
    kind, _, name = path.partition(".")
    if kind not in KINDS or not name:
        raise ConfigError(
            f"[plugins] prefer: expected a key such as 'optimizers.adam', got {path!r}; "
            f"kinds: {listed(KINDS)}"
        )
    if (kind, name) not in parts:
        names = [name for other, name in parts if other == kind]
        raise ConfigError(
            f"[plugins] prefer: no plugin provides the {noun(kind)} {name!r}{did_you_mean(name, names)}; "
            f"installed: {listed(names)}"
        )
    return kind, name


def _ranked(rivals: list[Offer], wanted: str | None) -> list[Offer]:
    plugins = [offer.plugin.name for offer in rivals]
    if wanted is not None and wanted not in plugins:
        path = f"{rivals[0].kind}.{rivals[0].name}"
        raise ConfigError(
            f"[plugins] prefer: {path!r} is not provided by a plugin {wanted!r}"
            f"{did_you_mean(wanted, plugins)}; it is provided by: {listed(plugins)}"
        )
    ranked = sorted(rivals, key=lambda offer: (offer.plugin.name != wanted, -offer.level, offer.plugin.name))
    tied = [offer for offer in ranked if offer.level == ranked[0].level]
    if wanted is None and len(tied) > 1:
        raise PluginError(_tie(tied))
    return ranked


def _tie(tied: list[Offer]) -> str:
    offer = tied[0]
    providers = ", ".join(str(offer.plugin) for offer in tied)
    return (
        f"the {noun(offer.kind)} {offer.name!r} is provided more than once: by {providers}; choose one with "
        f'[plugins] prefer = {{"{offer.kind}.{offer.name}" = "{offer.plugin.name}"}}, '
        f'or leave one out with block = ["{tied[1].plugin.name}"]'
    )


def _check_both(chosen: dict[Key, list[Offer]]) -> None:
    for (kind, name), (layer, *_) in chosen.items():
        if kind == "layers" and ("activations", name) in chosen:
            activation = chosen["activations", name][0]
            raise PluginError(
                f"the name {name!r} is both a layer, by {layer.plugin}, and an activation, by "
                f'{activation.plugin}; leave one out with [plugins] block = ["{activation.plugin.name}"]'
            )
