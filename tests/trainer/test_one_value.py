"""Statistics of one value: every normalization of the registry × every way to get one row, against plain references."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.config import load
from dtrain.contracts import ArrayRows, Layer, StatisticsOver
from dtrain.data import Batches
from dtrain.engine import Network, Replica, learn, rank_ranges
from dtrain.errors import ConfigError
from dtrain.trainer import build_job
from dtrain.trainer.one_value import Cuts, check_statistics, statistics_warnings
from tests.plugins.support import built, examples_of, initializer, layers_and_activations
from tests.support import Job, assert_same_bits, network

SHAPES = [(1,), (4,), (1, 1), (1, 4), (3, 1), (2, 2, 4)]
RANKS = (1, 2, 3)


def made(name, options):
    kind = "activations" if name in built_in_activations() else "layers"
    return built(kind, name, options)


@cache
def built_in_activations():
    from dtrain_plugins.activations import dtrain_activations

    return dtrain_activations()


def network_of(layer, shape):
    return Network([("norm", layer)], shape, "float64", initializer)


def every_example():
    """Yields (name, options, input shape, range) of each example of each built-in layer of one input."""
    for name, _, options, extra in examples_of(layers_and_activations()):
        if not isinstance(extra["input"], list):
            low, high = extra.get("range", (-3, 3))
            yield name, options, tuple(extra["input"]), (low, high, extra.get("whole", False))


def normalizations():
    """Every built-in layer that declares what its variance is over: (name, options)."""
    found = []
    for name, options, shape, _ in every_example():
        layer = made(name, options)
        network_of(layer, shape)
        if layer.statistics_over is not None and (name, options) not in found:
            found.append((name, options))
    return found


def fits(name, options, shape):
    """Whether the part takes samples of this shape."""
    try:
        network_of(made(name, options), shape)
    except ConfigError:
        return False
    return True


NORMS = normalizations()
CASES = [(*norm, shape) for norm in NORMS for shape in SHAPES if fits(*norm, shape)]


def ids(cases):
    return ["-".join(str(value) for value in case if value != {}) for case in cases]


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
    same_size = all(np.allclose(abs(y), abs(found[0]), rtol=0, atol=1e-3) for y in found)
    return "sign" if same_size and not centred else ""


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


# ---------------------------------------------------------------------- running statistics


def spread_of(name, rows):
    """The unbiased variance of each feature, of all numbers together, or the covariance. rows: (n, d)."""
    if name == "whiten_batch":
        return np.cov(rows.T, ddof=1).reshape(rows.shape[1], rows.shape[1])
    return rows.var(axis=0, ddof=1)


def table(name, x):
    """x as (values, features), in the sense of the part's statistics."""
    return x.reshape(-1, 1) if name == "scalar_norm" else x.reshape(-1, x.shape[-1])


def of_micro_batch(name, pieces):
    """(values, mean, unbiased spread) of a micro-batch in groups; None where no group has two values."""
    tables = [table(name, piece) for piece in pieces if len(piece)]
    several = [rows for rows in tables if len(rows) > 1]
    if not several:
        return None
    everything = np.concatenate(tables)
    spread = sum(len(rows) * spread_of(name, rows) for rows in several) / sum(map(len, several))
    return len(everything), everything.mean(axis=0), spread


def running(name, options, micro_batches, d):
    """The running mean and spread after these micro-batches, each a list of groups."""
    seen = [found for pieces in micro_batches if (found := of_micro_batch(name, pieces)) is not None]
    if options.get("statistics") == "cumulative":
        seen = seen[-options.get("window", len(seen)) :]
        total = sum(count for count, _, _ in seen)
        return tuple(sum(one[0] * one[i] for one in seen) / total for i in (1, 2))
    width = 1 if name == "scalar_norm" else d
    mean, spread = np.zeros(width), np.eye(d) if name == "whiten_batch" else np.ones(width)
    for _, batch_mean, batch_spread in seen:
        mean = 0.9 * mean + 0.1 * batch_mean
        spread = 0.9 * spread + 0.1 * batch_spread
    return mean, spread


RUNNING = ("batch_norm", "scalar_norm", "whiten_batch")
RUNS = {
    "even": {"samples": 24, "batch_size": 8},
    "a batch of one row": {"samples": 6, "batch_size": 1},
    "micro-batches of one row": {"samples": 16, "batch_size": 8, "parts": 8},
    "uneven micro-batches": {"samples": 20, "batch_size": 5, "parts": 3},
    "groups of one row": {"samples": 16, "batch_size": 8, "group": 1},
    "uneven groups": {"samples": 26, "batch_size": 13, "group": 1},
    "a last batch of one row": {"samples": 25, "batch_size": 8},
    "a last micro-batch of one row": {"samples": 19, "batch_size": 16, "parts": 2},
    "a last group of one row": {"samples": 30, "batch_size": 27, "group": 2},
}
BATCH_NORMS = [
    (name, options, shape, run, order)
    for name, options, shape in CASES
    if name in RUNNING and options.get("statistics") != "exact" and not {"group", "scale"} & {*options}
    for run in RUNS
    for order in ("shuffled", "replacement")
    if shape in [(1,), (4,), (3, 1)] and (name == "batch_norm" or "group" not in RUNS[run])
]


def cuts_of(order, batch_size, parts, group, shards=8):
    """Every micro-batch of an epoch as a list of groups of samples."""
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        for i in range(parts):
            micro = batch[len(batch) * i // parts : len(batch) * (i + 1) // parts]
            if not len(micro):
                continue
            pieces = np.array_split(micro, shards)
            yield [
                np.concatenate(pieces[k : k + (group or shards)]) for k in range(0, shards, group or shards)
            ]


def test_every_normalization_with_a_state_has_a_reference():
    with_states = set()
    for name, options in NORMS:
        net = network_of(made(name, options), next(s for s in SHAPES if fits(name, options, s)))
        if net.states and made(name, options).fits != "start":
            with_states.add(name)
    assert with_states == set(RUNNING)


def train(communicator, name, options, x, batch_size, parts, replacement=False):
    """The states after two epochs, and the micro-batches' orders."""
    layers = [
        ("norm", made(name, options)), ("flat", built("layers", "flatten", {})),
        ("out", built("layers", "dense", {"units": 1})),
    ]  # fmt: skip
    job = Job(
        communicator, network(layers, x.shape[1:], "float64"), built("losses", "mse", {}),
        built("optimizers", "sgd", {"lr": 1e-3}), ArrayRows(x, np.ones((len(x), 1))),
        batch_size=batch_size, parts=parts,
    )  # fmt: skip
    job.batches._replacement = replacement
    job.train(2)
    orders = [job.batches.order(job.seed, epoch) for epoch in range(2)]
    return {state.name: state.value for state in job.replica.network.states}, orders


@pytest.mark.parametrize("case", BATCH_NORMS, ids=ids(BATCH_NORMS))
def test_running_statistics_are_those_of_what_has_a_variance(case):
    name, options, shape, run, order = case
    run = {"parts": 1, **RUNS[run]}
    samples, group = run.pop("samples"), run.pop("group", None)
    if group is not None:
        options = {**options, "group": group}
    x = np.random.Generator(np.random.Philox(samples)).standard_normal((samples, *shape)) * 3 + 5
    found = [
        run_ranks(ranks, lambda c: train(c, name, options, x, **run, replacement=order == "replacement"))
        for ranks in RANKS
    ]
    states, orders = found[0][0]
    for other, _ in (rank for ranks in found for rank in ranks):
        for key, value in states.items():
            assert_same_bits(other[key], value)
    micro = [[x[i] for i in pieces] for order in orders for pieces in cuts_of(order, group=group, **run)]
    values = [states["norm.mean"], states[f"norm.{'covariance' if name == 'whiten_batch' else 'variance'}"]]
    if all(of_micro_batch(name, pieces) is None for pieces in micro):
        assert not values[0].any()
        assert_same_bits(values[1], np.eye(shape[-1]) if name == "whiten_batch" else np.ones_like(values[1]))
        return
    for value, expected in zip(values, running(name, options, micro, shape[-1]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11)


@pytest.mark.parametrize("ranks", RANKS)
def test_exact_and_fitted_statistics_are_of_all_samples_though_the_last_batch_has_one(ranks):
    x = np.random.Generator(np.random.Philox(3)).standard_normal((17, 4)) * 3 + 5

    def fitted(communicator, name, options, moment):
        net = network([("norm", made(name, options))], (4,), "float64")
        replica = Replica(net, communicator, 8, 0)
        replica.initialize()
        batches = Batches(ArrayRows(x, None), 8, 8, replica.first, replica.last, "float64")
        learn(replica, batches, moment)
        return {state.name: state.value for state in net.states}

    exact = run_ranks(ranks, lambda c: fitted(c, "batch_norm", {"statistics": "exact"}, "end"))[0]
    np.testing.assert_allclose(exact["norm.variance"], x.var(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(exact["norm.mean"], x.mean(axis=0), rtol=1e-12)
    standard = run_ranks(ranks, lambda c: fitted(c, "standardize", {}, "start"))[0]
    np.testing.assert_allclose(standard["norm.std"], x.std(axis=0), rtol=1e-12)
    white = run_ranks(ranks, lambda c: fitted(c, "whiten", {"epsilon": 1e-12}, "start"))[0]
    y = (x - white["norm.mean"]) @ white["norm.matrix"]
    np.testing.assert_allclose(np.cov(y.T, ddof=0), np.eye(4), atol=1e-9)


def test_a_rank_that_trains_alone_keeps_its_statistics_after_one_row():
    """Statistics are a rank's own, and their mean at a meeting."""
    x = np.random.Generator(np.random.Philox(3)).standard_normal((10, 4)) * 3 + 5

    def body(communicator):
        net = network(
            [("norm", made("batch_norm", {})), ("out", built("layers", "dense", {"units": 1}))], (4,), "f8"
        )
        exchange = built("exchanges", "local_steps", {"interval": 100})
        job = Job(
            communicator, net, built("losses", "mse", {}), built("optimizers", "sgd", {"lr": 1e-3}),
            ArrayRows(x, np.ones((10, 1))), batch_size=7, exchange=exchange,
        )  # fmt: skip
        job.train(1)
        order = job.batches.order(job.seed, 0)
        return order, {state.name: state.value for state in net.states}

    ranges = rank_ranges(8, 2)
    for (first, last), (order, states) in zip(ranges, run_ranks(2, body), strict=True):
        batches = [np.array_split(batch, 8)[first:last] for batch in (order[:7], order[7:])]
        micro = [[x[np.concatenate(batch)]] for batch in batches]
        mean, variance = running("batch_norm", {}, micro, 4)
        np.testing.assert_allclose(states["norm.mean"], mean, rtol=1e-12)
        np.testing.assert_allclose(states["norm.variance"], variance, rtol=1e-12)
