"""Every built-in part, one folder a kind. Uses only dtrain's public names."""
