"""How a probe tells the doctor what it found: lines of JSON behind a mark, among whatever else is printed."""

from __future__ import annotations

import json
import os
from typing import Any

MARK = "dtrain-doctor: "


def tell(kind: str, **values: Any) -> None:
    """Writes one record in one piece, so that no other rank's output comes in between."""
    line = f"{MARK}{json.dumps({'kind': kind, **values})}\n".encode()
    while line:
        line = line[os.write(1, line) :]


def heard(line: str) -> dict[str, Any] | None:
    """The record in a line of output; None where there is none."""
    _, mark, text = line.partition(MARK)
    try:
        record = json.loads(text) if mark else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and "kind" in record else None
