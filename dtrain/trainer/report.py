"""What a run says of itself: its first line, a line an epoch, its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dtrain import __version__

if TYPE_CHECKING:
    from .trainer import Trainer


def title(trainer: Trainer) -> str:
    """Returns the first line that a person sees."""
    config, ranks = trainer.job.config, trainer.communicator.size
    held_out, exchange = trainer.validation_blocks, config.train.exchange.name
    return (
        f"{config.name}: {trainer.size:,} parameters, {trainer.batches.samples:,} samples"
        f"{f' and {held_out.samples:,} for validation' if held_out else ''}, "
        f"{_course(trainer)} of {config.train.batch_size:,}, "
        f"on {ranks} rank{'s' * (ranks > 1)} ({trainer.job.shards} shard{'s' * (trainer.job.shards > 1)})"
        f"{'' if exchange == 'exact' else f', exchange {exchange}'}"
    )


def loss_line(trainer: Trainer, lost: list[dict[str, Any]], seconds: float) -> str:
    """Returns what is said when ranks were lost and the others go on."""
    who = ", ".join(f"rank {one['rank']} (process {one['pid']} on {one['host']})" for one in lost)
    ranks = trainer.communicator.size
    left = f"{ranks} rank{'s go' if ranks > 1 else ' goes'} on"
    return f"dtrain: warning: lost {who}; {left} after step {trainer.step:,} ({1000 * seconds:.0f} ms)"


def _course(trainer: Trainer) -> str:
    part = trainer.job.config.procedure
    return f"{trainer.steps:,} steps" if part is None else f"{part.name} in steps"


def epoch_line(trainer: Trainer) -> dict[str, Any]:
    """Returns the line of metrics.jsonl for the epoch that has ended; a last, cut one has a fraction."""
    done = trainer.position / trainer.batches.count
    return {
        "epoch": int(done) if done.is_integer() else round(done, 4),
        "step": trainer.step,
        "lr": trainer.options.get("lr"),
        "train": trainer.train,
        "validation": trainer.validation,
        "seconds": trainer.so_far.seconds,
    }


def summary(trainer: Trainer) -> dict[str, Any]:
    """Returns what summary.json holds. A run that had no step left to do keeps the times it had."""
    seconds = trainer.clock.median()
    measured = {"samples_per_second": trainer.rows / seconds, "step_seconds": seconds} if seconds else {}
    before, part = trainer.folder.before, trainer.job.config.procedure
    led = {} if part is None else {"procedure": {"name": part.name, **trainer.noted}}
    return {
        "dtrain": __version__,
        "ranks": trainer.communicator.size,
        "shards": trainer.job.shards,
        "epochs": trainer.epoch,
        "steps": trainer.step,
        "skipped": trainer.skipped,
        "stopped": trainer.stop_reason,
        "lost": trainer.lost,
        **led,
        "samples_per_second": before.get("samples_per_second"),
        "step_seconds": before.get("step_seconds"),
        **measured,
        "train": trainer.train,
        "validation": trainer.validation,
        "parameters": trainer.size,
        "weights_sha256": trainer.replica.digest(),
    }
