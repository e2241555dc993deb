"""`dtrain plugins`: one module an action."""

from __future__ import annotations

import argparse


def plugins(options: argparse.Namespace) -> int:
    """Does what the action says; returns the exit code."""
    if options.action == "list":
        from .plugins_list import print_list

        return print_list(as_json=options.json)
    if options.action == "show":
        from .plugins_show import print_part

        return print_part(options.part)
    if options.action == "check":
        from .plugins_check import print_checks

        return print_checks(options.name, verbose=options.verbose, config=options.config)
    from .plugins_new import print_new

    return print_new(options.name, options.kind, options.out)
