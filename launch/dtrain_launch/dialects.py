"""What each MPI has to be told so that the same job runs the same way under all of them.

Oversubscription is always allowed, never hidden behind inflated slots: an MPI that knows of it yields the
core while it waits. Binding is always off: the ranks share out the cores themselves, alike under every MPI.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dtrain_launch.flavour import Family, Flavour


@dataclass(frozen=True)
class Flag:
    """Words for mpirun, left out where the user's own arguments hold one of `unless`."""

    words: tuple[str, ...]
    unless: tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """The flags, the variables, and the variables that only root needs.

    recover: the flag that leaves dead ranks behind; None where no flag does.
    hosts: the flag that takes hosts and slots as `a:8,b:8`; None where only a set of ranks for each host,
    `-n 8 -host a … : -n 8 -host b …`, keeps the slots.
    agent: the variables that get the remote shell's program; `shell`: those that say that there is one.
    export: the flag that carries one variable to the hosts; None where all are carried.
    """

    flags: tuple[Flag, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    root: Mapping[str, str] = field(default_factory=dict)
    recover: Flag | None = None
    hosts: str | None = None
    agent: str = ""
    shell: Mapping[str, str] = field(default_factory=dict)
    export: str | None = None


_UNBOUND = Flag(("--bind-to", "none"), unless=("bind-to",))
_OPEN_MPI = {
    "OMPI_MCA_btl": "^ofi",  # its set-up takes a second at every start
    "OMPI_MCA_osc": "^ucx",  # prints an error for every shared window
}
_OPEN_MPI_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

# The first row whose family is the same and whose version is reached.
_TABLE: tuple[tuple[Family, tuple[int, ...], Dialect], ...] = (
    (
        "open_mpi",
        (5,),
        Dialect(
            (
                _UNBOUND,
                Flag(("--map-by", ":OVERSUBSCRIBE"), unless=("map-by", "oversubscribe", "nooversubscribe")),
            ),
            _OPEN_MPI,
            _OPEN_MPI_ROOT,
            Flag(("--with-ft", "ulfm"), unless=("with-ft",)),
            hosts="--host",
            agent="PRTE_MCA_plm_ssh_agent",
            export="-x",
        ),
    ),
    (
        "open_mpi",
        (),
        Dialect(
            (_UNBOUND, Flag(("--oversubscribe",), unless=("oversubscribe", "nooversubscribe"))),
            _OPEN_MPI,
            _OPEN_MPI_ROOT,
            hosts="--host",
            agent="OMPI_MCA_plm_rsh_agent",
            export="-x",
        ),
    ),
    (
        "mpich",
        (),
        Dialect((_UNBOUND,), hosts="-hosts", agent="HYDRA_LAUNCHER_EXEC", shell={"HYDRA_LAUNCHER": "ssh"}),
    ),
    # Intel's takes --bind-to and pins all the same.
    (
        "intel",
        (),
        Dialect(
            variables={"I_MPI_PIN": "0"},
            agent="I_MPI_HYDRA_BOOTSTRAP_EXEC",
            shell={"I_MPI_HYDRA_BOOTSTRAP": "ssh"},
        ),
    ),
)


def dialect_of(flavour: Flavour) -> Dialect:
    """The row of the table for this MPI."""
    return next(
        dialect for family, least, dialect in _TABLE if family == flavour.family and flavour.version >= least
    )
