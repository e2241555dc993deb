"""How long will a step take on so many ranks? Counted and measured on a few, put together by a model.

trace      the collectives of one rank's step
hollow     one rank of many, alone: a communicator that moves nothing
virtual    the engine's real step as that rank has it
measure    what messages cost, between ranks that are there
links, network, placement   the figures of a link; one given in words; which ranks share a host
model      from all of these to seconds: arithmetic alone
probe      what each process of a probing job does
jobs       starts such jobs, by `dtrain launch`
plan       what is measured where, and put together
outcome, advice, against    what is found: a table, a sentence, and how far it was from an earlier run

The model and its derivation: launch/README.md.
"""

from .jobs import Jobs
from .network import read_network
from .outcome import Plan, Row
from .plan import Planner
from .probe import probe_links, probe_steps

__all__ = ["Jobs", "Plan", "Planner", "Row", "probe_links", "probe_steps", "read_network"]
