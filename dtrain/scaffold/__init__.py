"""What `dtrain plugins new` writes: a project that works as it is, for its author to change.

`parts/` holds one part a kind. They are plain modules with the name `acme` in place of the author's.
"""

from __future__ import annotations

from .project import project_files

__all__ = ["project_files"]
