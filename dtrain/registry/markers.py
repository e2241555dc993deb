"""The two decorators of pluggy, under dtrain's name."""

import pluggy

PROJECT = "dtrain"
"""The name of the pluggy project, and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
