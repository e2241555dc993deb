"""Numbers of ranks compared bit by bit: equal where they must be, and each kind of mistake named."""

from __future__ import annotations

import copy

import pytest

import dtrain
from dtrain.config import load
from dtrain.config.overrides import override
from dtrain.errors import ConfigError
from dtrain.verification.compare import AGAIN, DECISION, ROWS, STATE, UPDATE, first_difference
from dtrain.verification.jobs import in_processes, in_threads
from dtrain.verification.verify import _shortened
from tests.many_parts import CONFIG as MANY_PARTS
from tests.many_parts import write_images
from tests.verification.broken import CODE

ACME = "from plugin 'acme' 1.2 (distribution acme-dtrain)"


@pytest.fixture
def broken(acme, config):
    """broken("centre") → a run with that layer between two sound ones."""
    acme(CODE)

    def tables(layer=None, **changes):
        middle = [] if layer is None else [{"name": layer}]
        network = [{"name": "dense", "units": 5}, *middle, {"name": "dense", "units": 3}]
        return config(
            {"network": network, **{key.replace("__", "."): value for key, value in changes.items()}}
        )

    return tables


def only(found):
    """The difference of the one number of ranks that was compared."""
    (outcome,) = found.outcomes
    assert outcome.difference is not None
    return outcome.difference


# ---------------------------------------------------------------------- equal


def test_the_default_recipe_is_equal_on_any_ranks(elsewhere):
    before = sorted(elsewhere.iterdir())
    found = dtrain.verify("digits", steps=3)
    assert found.equal
    assert found.passed
    assert str(found).splitlines() == [
        "digits: 3 steps, 8 shards, ranks are threads with shared memory",
        "",
        "ranks  result",
        "    1  the reference",
        "    2  equal, every bit",
        "    3  equal, every bit",
        "    5  equal, every bit",
    ]
    assert sorted(elsewhere.iterdir()) == before  # no run folder


@pytest.mark.parametrize("private", [False, True])
def test_many_parts_at_once_are_equal_on_any_ranks(private, elsewhere):
    write_images(elsewhere / "images.npz")
    tables = copy.deepcopy(MANY_PARTS)
    override(tables, {"data.path": str(elsewhere / "images.npz")})
    found = dtrain.verify(tables, (1, 3) if private else (1, 2, 3, 5), steps=4, private=private)
    assert found.equal, str(found)


def test_more_ranks_than_shards_by_default_get_the_shards_of_the_most(config):
    found = dtrain.verify(config(), (1, 9), steps=2)
    assert (found.equal, found.shards) == (True, 16)


def test_what_was_trained_is_seen(config):
    """The negative control of the above: another seed would not be equal."""
    run = in_threads(private=False)
    one, other = (run(_shortened(load(config({"seed": seed})), 2, 1), 1, None)[0] for seed in (0, 1))
    assert first_difference(one[0], one) is None
    first = first_difference(one[0], other)
    assert first is not None
    assert (first.number, first.name) == (0, "value/dense_1.weight")


# ---------------------------------------------------------------------- different, and why

FORWARD = "the output of layer '{name}_1' (layer '{name}' {origin}), whose input is the same: "
BACKWARD = "the gradient dx of layer '{name}_1' (layer '{name}' {origin}), whose output and dy are the same: "


@pytest.mark.parametrize(
    ("name", "step", "begins", "hint"),
    [
        ("centre", 1, FORWARD, ROWS),
        ("backwards", 1, BACKWARD, ROWS),
        ("hidden", 2, FORWARD, ROWS),
        ("own_random", 1, FORWARD, AGAIN),
    ],
)
def test_the_layer_with_which_it_begins_is_named(name, step, begins, hint, broken):
    found = only(dtrain.verify(broken(name), (1, 3), steps=3))
    assert (found.place.step, found.place.epoch, found.place.over) == (step, 1, False)
    assert found.origin.startswith(begins.format(name=name, origin=ACME))
    assert found.hint == hint
    assert found.others > 3


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    ("name", "tensor", "what", "hint"),
    [
        ("own_rows", "state/own_rows_1.mean", "the running statistic 'own_rows_1.mean'", STATE),
        ("all_rows", "value/all_rows_1.bias", "the parameter 'all_rows_1.bias'", UPDATE),
    ],
)
def test_a_tensor_that_differs_where_no_output_does_is_named_with_its_owner(
    name, tensor, what, hint, private, broken
):
    found = only(dtrain.verify(broken(name), (1, 2), steps=2, private=private))
    assert (found.place.step, found.tensor, found.origin, found.hint) == (1, tensor, "", hint)
    assert found.title == f"{what} of layer '{name}_1' (layer '{name}' {ACME})"
    assert found.size is not None
    assert found.size.count
    assert found.size.of == 5


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        (
            {"data__transform": [{"name": "jitter"}]},
            "the samples, as they come from the data and its transforms: ",
        ),
        ({"loss": {"name": "mean_of_rank"}}, "the values of the loss, whose input is the same: "),
        ({"loss": {"name": "slope_of_rank"}}, "the gradient that the loss gives: "),
    ],
)
def test_what_is_no_layer_is_named_too(changes, begins, broken):
    found = only(dtrain.verify(broken(**changes), (1, 2), steps=2))
    assert found.origin.startswith(begins)
    assert (found.place.step, found.hint) == (1, ROWS)


def test_a_callback_that_decides_by_the_number_of_ranks_is_found(broken):
    found = dtrain.verify(broken(callback=[{"name": "quit"}]), (1, 2, 3), steps=9)
    assert [outcome.difference is None for outcome in found.outcomes] == [True, False]
    difference = found.outcomes[1].difference
    assert difference is not None
    assert (difference.place.step, difference.title, difference.hint) == (5, "the number of steps", DECISION)


def test_the_text_names_step_tensor_size_origin_and_hint_once(broken):
    lines = str(dtrain.verify(broken("centre"), (1, 2, 3), steps=1)).splitlines()
    assert lines[:7] == [
        "run: 1 step, 8 shards, ranks are threads with shared memory",
        "",
        "ranks  result",
        "    1  the reference",
        "    2  different from step 1 (epoch 1)",
        "    3  different from step 1 (epoch 1)",
        "",
    ]
    assert lines[7].startswith(
        "2 ranks, step 1 (epoch 1): the parameter 'dense_1.weight' of layer 'dense_1' ("
    )
    assert lines[8].startswith("  differs in ")
    assert lines[9].startswith("  begins with the output of layer 'centre_1'")
    assert lines[11].startswith("3 ranks, step 1 (epoch 1): ")
    assert lines[14:] == ["", f"hint: {ROWS}"]


def test_what_fails_on_some_ranks_only_is_raised(broken):
    with pytest.raises(RuntimeError, match="too many") as caught:
        dtrain.verify(broken(callback=[{"name": "fails"}]), (1, 3), steps=3)
    assert any("of 3" in note for note in caught.value.__notes__)


def test_processes_note_what_threads_note(config, elsewhere):
    small = _shortened(load(config()), 2, 2)
    threads, error = in_threads(True)(small, 2, 2)
    processes, other = in_processes(True)(small, 2, 2)
    assert (error, other) == (None, None)
    for expected, got in zip(threads, processes, strict=True):
        assert (got.places, got.digests, got.titles) == (expected.places, expected.digests, expected.titles)
        assert got.kept.keys() == expected.kept.keys()
        assert all(got.kept[name].tobytes() == expected.kept[name].tobytes() for name in expected.kept)
        assert [(seen.what, seen.layer, seen.array.tobytes()) for seen in got.trace] == [
            (seen.what, seen.layer, seen.array.tobytes()) for seen in expected.trace
        ]
    assert [seen.what for seen in threads[1].trace] == [
        "data", "forward", "forward", "loss", "slope", "backward"
    ]  # fmt: skip
    assert not (elsewhere / "runs").exists()


def test_a_mistake_is_told_by_processes_as_by_threads(config):
    with pytest.raises(ConfigError) as caught:
        dtrain.verify(config({"network.0.name": "dens"}), (1, 2), processes=True)
    assert "[[network]] #1: no plugin provides the layer 'dens'; did you mean 'dense'?" in str(caught.value)


# ---------------------------------------------------------------------- one shard a rank


def test_one_shard_a_rank_differs_and_says_by_how_much(config):
    changes = {"train.shards": "ranks", "train.batch_size": 50}
    found = dtrain.verify(config(changes), (1, 3), steps=5)
    difference = only(found)
    assert (found.equal, found.passed, found.shards, difference.place.over) == (False, False, "ranks", True)
    assert difference.size is not None
    assert 0 < difference.size.relative < 1e-4
    size = f"{difference.size.relative:.3g}"
    assert f"    3  different by up to {size}; give a --tolerance to accept that" in str(found)
    near = dtrain.verify(config(changes), (1, 3), steps=5, tolerance=1e-4)
    assert (near.equal, near.passed) == (False, True)
    assert f"    3  within the tolerance of 0.0001: by up to {size}" in str(near)
    far = dtrain.verify(config(changes), (1, 3), steps=5, tolerance=1e-12)
    assert not far.passed
    assert f"    3  beyond the tolerance of 1e-12: by up to {size}" in str(far)


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranks": [1]}, "verify ranks: expected two numbers of ranks at least, such as 1,2,3, got [1]"),
        (
            {"ranks": [1, 0]},
            "verify ranks: expected two numbers of ranks at least, such as 1,2,3, got [1, 0]",
        ),
        ({"steps": 0}, "verify steps: expected a whole number ≥ 1, got 0"),
        (
            {"tolerance": 0.1},
            'verify tolerance: expected none, for every bit has to be the same; only shards = "ranks" has one',
        ),
        (
            {"tolerance": -1.0, "set": {"train.shards": "ranks"}},
            "verify tolerance: expected a number ≥ 0, got -1.0",
        ),
        (
            {"ranks": (1, 5), "set": {"train.shards": 4}},
            "[train] shards: expected at least one shard a rank, got 4 shards for 5 ranks; start at most 4 ranks, or "
            "raise shards (the result then changes within rounding)",
        ),
    ],
)
def test_a_mistake_is_told(options, message, config):
    with pytest.raises(ConfigError) as caught:
        dtrain.verify(config(), **options)
    assert str(caught.value) == message


def test_it_is_refused_under_mpirun(config, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(ConfigError) as caught:
        dtrain.verify(config())
    assert str(caught.value) == (
        "verify: expected one process, which starts all ranks by itself, got mpirun; leave it out"
    )
