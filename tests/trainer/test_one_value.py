"""Which runs normalize by the statistics of one value: every normalization × every way to get one row."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.contracts import ArrayRows, Layer, StatisticsOver
from dtrain.data import Batches
from dtrain.engine import Network, Replica, learn, rank_ranges
from dtrain.errors import ConfigError
from dtrain.trainer import build_job
from dtrain.trainer.one_value import Cuts, check_statistics, statistics_warnings
from tests.plugins.support import built, initializer
from tests.trainer.normalizations import CASES, NORMS, RANKS, every_example, fits, ids, made, network_of

# ---------------------------------------------------------------------- what is declared is what happens


def output(make, x):
    """The output, in training, of a layer that has learned from x what it learns from data."""
    replica = Replica(network_of(make(), x.shape[1:]), SerialCommunicator(), 1, 0)
    replica.initialize()
    batches = Batches(ArrayRows(x, None), len(x), 1, 0, 1, "float64")
    learn(replica, batches, "start")
    (batch,) = batches.cut(0)
    replica.context.begin(batch.layout, training=True, step=0, epoch=0, place=0)
    return replica.network.forward(batch.x, replica.context)[0].copy()


def draws(shape, rows, low=-3, high=3, whole=False):
    random = np.random.Generator(np.random.Philox(7))
    for _ in range(6):
        x = random.uniform(low, high, (rows, *shape))
        yield np.floor(x) if whole else x


def effect(make, shape, rows, *bounds):
    """What is left of x in the output of this many rows: "nothing", "sign" or "" (more).

    Two values about their mean keep a sign and no more, either. That is no statistic of one value, and is left alone.
    """
    found = [output(make, x) for x in draws(shape, rows, *bounds)]
    if all(np.allclose(y, found[0], rtol=0, atol=1e-9) for y in found):
        return "nothing"
    layer = make()
    network_of(layer, shape)
    centred = layer.statistics_over is not None and layer.statistics_over.centred
    if centred:
        return ""
    found = [output(make, 1e6 * x) for x in draws(shape, rows, *bounds)]  # whatever epsilon is
    same_size = all(np.allclose(abs(y), abs(found[0]), rtol=0, atol=1e-3) for y in found)
    return "sign" if same_size else ""


def declared_effect(layer, rows):
    """What `statistics_over` says of that."""
    over = layer.statistics_over
    if over is None:
        return ""
    if over.per_sample * (1 if over.across == "sample" else rows) > 1:
        return ""
    return "nothing" if over.centred else "sign"


def test_the_normalizations_are_found():
    assert {name for name, _ in NORMS} == {
        "batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm", "scalar_norm", "standardize",
        "whiten", "whiten_batch",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
@pytest.mark.parametrize("rows", [1, 3])
def test_a_normalization_hides_its_input_where_it_declares_one_value(case, rows):
    name, options, shape = case
    layer = made(name, options)
    network_of(layer, shape)
    assert effect_of(name, tuple(options.items()), shape, rows) == declared_effect(layer, rows)


def test_no_other_layer_hides_its_input():
    """A layer that is added and forgets to declare its variance is found here."""
    for name, options, shape, bounds in every_example():
        layer = made(name, options)
        network_of(layer, shape)
        declared = declared_effect(layer, 1)
        found = effect(lambda n=name, o=options: made(n, o), shape, 1, *bounds)
        assert (found == "nothing") == (declared == "nothing"), (name, options)


# ---------------------------------------------------------------------- which batches have pieces of one row


def pieces_of(rows, parts, shards, ranks, alone, group):
    """Yields (level, rows of each piece) of a batch, cut as DESIGN says, row by row."""
    batch = list(range(rows))
    yield "batch", [batch]
    micro = [batch[rows * i // parts : rows * (i + 1) // parts] for i in range(parts)]
    yield "micro-batch", micro
    cut = [np.array_split(piece, shards) for piece in micro]
    ranges = rank_ranges(shards, ranks) if alone else [(0, shards)]
    yield "rank", [np.concatenate(piece[a:b]) for piece in cut for a, b in ranges]
    if group is not None:
        yield (
            "group",
            [
                np.concatenate(piece[a:b][i : i + group])
                for piece in cut
                for a, b in ranges
                for i in range(0, b - a, group)
            ],
        )


@cache
def first_level(*cut):
    return next((level for level, pieces in pieces_of(*cut) if any(len(p) == 1 for p in pieces)), None)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("group", [None, 1, 2, 3])
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 8])
def test_finds_the_widest_piece_of_one_row(shards, group, alone):
    for rows, parts, ranks in product(range(20), (1, 2, 3, 5), range(1, min(shards, 4) + 1)):
        found = Cuts(parts, shards, ranks, alone).level_of_one_row(rows, group)
        assert found == first_level(rows, parts, shards, ranks, alone, group), (rows, parts, ranks)


# ---------------------------------------------------------------------- errors and warnings, whole

EFFECTS = {
    "nothing": "normalized by the statistics of one value, the output does not depend on the input",
    "sign": "normalized by the mean square of one value, the output is the sign of the input",
}
ERRORS = {
    "batch": "[train] batch_size: expected at least 2 rows in every batch for layer '{name}', got 1: {effect}; "
    "raise batch_size",
    "micro-batch": "[train] accumulate: expected at least 2 rows in every micro-batch for layer '{name}', got 1: "
    "{effect}; lower accumulate, or raise batch_size",
    "rank": "[train] batch_size: expected at least 2 rows on every rank for layer '{name}', got 1: {effect}; "
    "raise batch_size, or start fewer ranks",
    "group": "[[network]] group: expected at least 2 rows in every group of shards for layer '{name}', got 1: "
    "{effect}; raise group, or batch_size",
    "samples": "[data]: expected at least 2 training samples for layer '{name}', got 1: {effect}; add samples",
}
LAST = (
    "layer '{name}': the last batch of an epoch has {rest} of the {samples} samples{place}: {effect}; "
    "choose another batch_size"
)
PLACES = {
    "batch": "",
    "micro-batch": ", with 1 row in a micro-batch",
    "rank": ", with 1 row on a rank",
    "group": ", with 1 row in a group of shards",
}
SAMPLE = "layer '{name}': {effect}; remove it"

CONTAINERS = {
    "norm": lambda make: make(),
    "box.1": lambda make: built("layers", "residual", {"layers": [make.table]}),
    "box.1.1": lambda make: built("layers", "parallel", {"branches": [[make.table], []]}),
    "box.1.1.1": lambda make: built(
        "layers", "parallel", {"branches": [[{"name": "residual", "layers": [make.table]}]]}
    ),
}
"""The full name of the normalization, and the layer of the network that it is, or is in."""


class Make:
    """A part, to be made as a layer or named in a container's options."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.table = {"name": name, **options}

    def __call__(self):
        return made(self.name, self.options)


@pytest.fixture(scope="module")
def plain_job(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npz"
    np.savez(path, x=np.ones((4, 3)), y=np.ones((4, 1)))
    tables = {
        "data": {"name": "npz", "path": str(path)},
        "network": [{"name": "dense", "units": 1}],
        "loss": "mse",
        "optimizer": "sgd",
        "train": {"epochs": 1},
    }
    return build_job(load(tables), SerialCommunicator())


EXCHANGES = {name: built("exchanges", name, {}) for name in ("exact", "local_steps")}


def job_with(job, net, samples, exchange="exact", accumulate=1, **train):
    """The same job with this network and as many samples."""
    config = replace(job.config, train=replace(job.config.train, accumulate=accumulate, **train))
    rows = ArrayRows(np.zeros((samples, *net.input_shape)), None)
    return replace(job, config=config, network=net, train=rows, exchange=EXCHANGES[exchange])


def expected_lines(make, full_name, shape, samples, batch_size, parts, ranks, exchange):
    """(error or None, warnings), from what the layer does and how batches are cut."""
    of_one, of_many = (effect_of(make.name, tuple(make.options.items()), shape, rows) for rows in (1, 3))
    if of_many:
        return None, [SAMPLE.format(name=full_name, effect=EFFECTS[of_many])]
    if not of_one:
        return None, []
    fill = {"name": full_name, "effect": EFFECTS[of_one], "samples": samples}
    if samples == 1:
        return ERRORS["samples"].format(**fill), []
    if make().fits == "start":
        return None, []
    cut = parts, 8, ranks, exchange == "local_steps", make.options.get("group")
    rest = samples % batch_size
    if level := first_level(min(batch_size, samples), *cut):
        return ERRORS[level].format(**fill), []
    if level := first_level(rest, *cut):
        return None, [LAST.format(**fill, rest=rest, place=PLACES[level])]
    return None, []


@cache
def effect_of(name, options, shape, rows):
    options = {key: value for key, value in options if key != "group"}  # all rows are one shard here
    return effect(lambda: made(name, options), shape, rows)


def check_lines(job, make, full_name, shape):
    grid = product((1, 2, 9, 12, 13), (1, 4, 8, 64), (1, 2, 4), RANKS, EXCHANGES)
    net = Network([(full_name.split(".")[0], CONTAINERS[full_name](make))], shape, "float64", initializer)
    seen = set()
    for samples, batch_size, parts, ranks, exchange in grid:
        if parts > min(samples, batch_size):
            continue
        tried = job_with(job, net, samples, exchange, parts, batch_size=batch_size)
        error, warnings = expected_lines(make, full_name, shape, samples, batch_size, parts, ranks, exchange)
        if error is None:
            check_statistics(tried, ranks)
            assert list(statistics_warnings(tried, ranks)) == warnings
        else:
            with pytest.raises(ConfigError) as raised:
                check_statistics(tried, ranks)
            assert str(raised.value) == error
        seen.add((error is not None, bool(warnings)))
    return seen


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_each_batch_of_one_row_is_an_error_and_a_last_one_a_line(case, plain_job):
    name, options, shape = case
    seen = check_lines(plain_job, Make(name, options), "norm", shape)
    if name in ("batch_norm", "whiten_batch") and prod(shape[:-1]) == 1:
        assert seen == {(True, False), (False, True), (False, False)}  # or the grid shows nothing


@pytest.mark.parametrize("full_name", [name for name in CONTAINERS if name != "norm"])
@pytest.mark.parametrize("norm", NORMS, ids=ids(NORMS))
def test_a_normalization_in_a_container_is_found(norm, full_name, plain_job):
    for shape in ((1,), (4,), (3, 1)):
        if fits(*norm, shape) and "components" not in norm[1]:  # a residual keeps its shape
            check_lines(plain_job, Make(*norm), full_name, shape)


def test_several_layers_share_the_line_on_the_last_batch(plain_job):
    layers = [(f"norm_{i}", made("batch_norm", {})) for i in (1, 2, 3)]
    net = Network(layers, (4,), "float64", initializer)
    (line,) = statistics_warnings(job_with(plain_job, net, 9, batch_size=4), 1)
    assert line == LAST.format(name="norm_1", rest=1, samples=9, place="", effect=EFFECTS["nothing"]).replace(
        "'norm_1'", "'norm_1' and 2 more"
    )


class OfAcme(Layer):
    """Divides by the root of the mean square over the batch; declares it, or not."""

    def __init__(self, declares):
        self.declares = declares

    def build(self, shape, make):
        if self.declares:
            self.statistics_over = StatisticsOver("batch", prod(shape[:-1]), centred=False)
        return shape


@pytest.mark.parametrize("declares", [True, False])
def test_the_layer_of_a_plugin_is_asked_and_never_guessed(declares, plain_job):
    tried = job_with(plain_job, network_of(OfAcme(declares), (4,)), 9, batch_size=1)
    if not declares:
        check_statistics(tried, 1)
        return
    with pytest.raises(ConfigError) as raised:
        check_statistics(tried, 1)
    assert str(raised.value) == ERRORS["batch"].format(name="norm", effect=EFFECTS["sign"])
