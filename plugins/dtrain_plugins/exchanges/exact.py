"""The exact exchange."""

from dtrain import Exchange


class Exact(Exchange):
    """Gradients are added over all shards in a fixed tree: the same bits on any number of ranks. The default.

    Each rank adds up and updates a slice of the parameters, then passes it on: a rank sends P·(N−1)/N numbers of
    gradients and as many of values, of P parameters on N ranks. Training waits for both.
    """
