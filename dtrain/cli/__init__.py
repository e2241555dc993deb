"""The command `dtrain`: the only place that picks a communicator."""
