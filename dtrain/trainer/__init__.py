"""Training: a job built from a config, its steps, its course, its folder and checkpoints."""

from .agreement import agree
from .job import Job, build_job
from .result import Result
from .session import train_session
from .trainer import Trainer

__all__ = ["Job", "Result", "Trainer", "agree", "build_job", "train_session"]
