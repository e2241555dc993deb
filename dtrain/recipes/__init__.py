"""The configs that ship with dtrain: `dtrain train NAME`."""
