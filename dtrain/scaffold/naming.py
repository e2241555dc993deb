"""One name in all its spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dtrain.contracts import KINDS
from dtrain.registry.kinds import noun


@dataclass(frozen=True)
class Naming:
    """project: as the author gave it, such as `my-parts`; also the distribution and the entry point."""

    project: str

    @property
    def module(self) -> str:
        """The name that Python imports: `my_parts`."""
        return self.project.replace("-", "_")

    @property
    def camel(self) -> str:
        """What its classes begin with: `MyParts`."""
        return "".join(word.capitalize() for word in self.module.split("_"))

    def part(self, kind: str) -> str:
        """Returns the name of its part of a kind: `my_parts_layer`."""
        return f"{self.module}_{noun(kind)}"

    def class_of(self, kind: str) -> str:
        """Returns the class of its part of a kind: `MyPartsLayer`."""
        return f"{self.camel}{KINDS[kind].__name__}"

    def put(self, template: str) -> str:
        """Returns a template with this name in place of acme."""
        spelled = {"acme-project": self.project, "Acme": self.camel, "acme": self.module}
        return re.sub("|".join(spelled), lambda found: spelled[found[0]], template)
