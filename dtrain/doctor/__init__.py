"""`dtrain doctor`: looks at the hosts, tries a job, and says what is wrong and what mends it.

asked        what the user wants looked at
examine      finds everything out: asked → World
hosts, host_probe    each host, by the remote shell; what runs there
job, rank_probe      a job of several ranks under mpirun; what each runs
model_probe  the size of a config
world        what was found
checks       World → findings, one check a module; what each looks at on a host
report       findings as lines or JSON
child, record, network, cgroup, wording    what these use
"""
