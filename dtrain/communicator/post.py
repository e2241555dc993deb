"""Rows of the board between hosts that share no memory: datagrams, which wait for nobody and need no MPI.

MPI would have to be called from a second thread, which not every library allows, and a message to a rank that
is stopped would stay behind at the end. Where no datagram comes through, a host judges by what it sees itself.
"""

from __future__ import annotations

import hmac
import json
import platform
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from dtrain.communicator.verdict import Row

READERS = 2  # of a host: the second stands in for the first
LARGEST = 8192  # bytes


class Post:
    """Sends this rank's rows to the readers of other hosts, and receives what is sent here.

    home: the lowest rank of this rank's host. share: as `Communicator.share`; making a Post is a collective.
    """

    def __init__(self, home: int, share: Callable[[Any], list[Any]]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("", 0))
        own = [home, platform.node(), self._socket.getsockname()[1], secrets.token_hex(16)]
        everyone = share(own)
        self._token = everyone[0][3]
        self._readers = readers(everyone, home)

    def send(self, at: int, beat: int, row: Row) -> None:
        text = json.dumps([self._token, at, beat, row.to_json()]).encode()
        for address in self._readers:
            with suppress(OSError):  # out of reach, or no room: the next one may come through
                self._socket.sendto(text, address)

    def receive(self) -> Iterator[tuple[int, int, Row]]:
        """Yields (rank at the start, beat, row) of each row that has come."""
        while True:
            try:
                text = self._socket.recv(LARGEST)
            except OSError:
                return
            with suppress(ValueError, TypeError):  # a stranger's
                token, at, beat, row = json.loads(text)
                if hmac.compare_digest(token, self._token):
                    yield at, beat, Row.from_json(row)

    def close(self) -> None:
        self._socket.close()


def readers(everyone: Sequence[Sequence[Any]], home: int) -> list[tuple[str, int]]:
    """Returns the addresses of the first ranks of every other host.

    everyone: (lowest rank of the host, its name, port, …) of each rank.
    """
    found: dict[int, list[tuple[str, int]]] = {}
    for there, name, port, *_ in everyone:
        if there != home and len(found.setdefault(there, [])) < READERS:
            found[there].append((_address(name), port))
    return [address for addresses in found.values() for address in addresses]


def _address(name: str) -> str:
    with suppress(OSError):
        return socket.gethostbyname(name)
    return name
