"""The one exception of the launcher."""


class LaunchError(Exception):
    """The user's mistake: printed as one line after `dtrain: `, without traceback; exit code 2."""
