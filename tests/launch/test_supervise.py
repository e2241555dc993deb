"""Signals, exit codes and the end of every process, with stand-ins for mpirun."""

import signal
import subprocess

import pytest


from dtrain_launch.supervise import exit_code
