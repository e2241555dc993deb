from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import tomli_w

from dtrain.config import load, recipes
from dtrain.errors import ConfigError


@pytest.fixture
def shipped(tmp_path, monkeypatch, tables):
    """Ships the recipes `digits` and `mnist`, and a file that is none."""
    package = tmp_path / "shipped_recipes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "digits.toml").write_text(tomli_w.dumps(tables | {"seed": 1}))
    (package / "mnist.toml").write_text("[train\n")
    (package / "notes.txt").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(importlib.import_module("dtrain.config.recipes"), "PACKAGE", "shipped_recipes")
    importlib.invalidate_caches()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("shipped_recipes", None)


def error_of(source, overrides=()) -> str:
    with pytest.raises(ConfigError) as caught:
        load(source, overrides)
    return str(caught.value)


def test_recipes_are_the_toml_files_of_their_package(shipped):
    assert list(recipes()) == ["digits", "mnist"]


def test_without_a_package_there_is_no_recipe(monkeypatch):
    monkeypatch.setattr(importlib.import_module("dtrain.config.recipes"), "PACKAGE", "no_such_package")

    assert recipes() == {}


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_called_by_its_path_and_the_run_by_its_stem(shipped, tables, kind):
    (shipped / "mine.toml").write_text(tomli_w.dumps(tables))

    config = load(kind("mine.toml"))

    assert (config.name, config.source, config.loss.where) == ("mine", "mine.toml", "mine.toml: [loss]")


def test_a_recipe_is_found_by_name(shipped):
    config = load("digits")

    assert (config.name, config.seed, config.loss.where) == ("digits", 1, "recipe 'digits': [loss]")


def test_an_existing_file_wins_over_a_recipe_but_a_folder_does_not(shipped, tables):
    (shipped / "digits").mkdir()
    assert load("digits").seed == 1
    (shipped / "digits").rmdir()
    (shipped / "digits").write_text(tomli_w.dumps(tables | {"seed": 7}))
    assert load("digits").seed == 7


def test_tables_are_loaded_and_left_as_they_were(tables):
    config = load(tables, {"network.0.units": 32})

    assert (config.name, config.loss.where, config.network[0].options) == ("run", "[loss]", {"units": 32})
    assert tables["network"] == [{"name": "dense", "units": 10}]


def test_overrides_are_checked_as_if_they_stood_in_the_file(shipped):
    assert load("digits", ["optimizer.lr=0.5"]).optimizer.options == {"lr": 0.5}
    assert error_of("digits", ["train.batch_size=0"]) == (
        "recipe 'digits': [train] batch_size: expected a whole number ≥ 1, got 0"
    )


def test_what_is_neither_a_file_nor_a_recipe_is_named(shipped):
    assert error_of("digit") == (
        "no config 'digit': expected a TOML file or the name of a recipe; did you mean 'digits'?; "
        "recipes: 'digits', 'mnist'"
    )
    assert error_of("a\0b").startswith("no config 'a\\x00b': expected")
    assert error_of("x" * 5000).startswith("no config 'xxx")
    assert error_of(3) == "expected a path, the name of a recipe or tables as a config, got 3"


def test_a_folder_is_named(shipped):
    (shipped / "folder").mkdir()

    assert error_of("folder") == "folder: expected a TOML file, got a folder"


def test_a_syntax_error_is_named_with_its_line(shipped):
    (shipped / "mine.toml").write_text("seed = 1\n[train\n")

    assert error_of("mine.toml") == (
        "mine.toml: expected TOML, got: Expected ']' at the end of a table declaration (at line 2, column 7)"
    )
    assert error_of("mnist").startswith("recipe 'mnist': expected TOML, got: ")


def test_bytes_that_are_no_text_are_named(shipped):
    (shipped / "mine.toml").write_bytes(b"seed = 1\n\xff")

    assert error_of("mine.toml") == "mine.toml: expected UTF-8 text, got other bytes at 9"


def test_a_byte_order_mark_does_no_harm(shipped, tables):
    (shipped / "mine.toml").write_bytes(b"\xef\xbb\xbf" + tomli_w.dumps(tables).encode())

    assert load("mine.toml").name == "mine"


def test_a_file_that_cannot_be_read_is_named(shipped, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (shipped / "mine.toml").write_text("")
    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert error_of("mine.toml") == "mine.toml: expected a file that can be read, got: Permission denied"


def test_endless_nesting_is_named(shipped):
    (shipped / "mine.toml").write_text("x = " + "[" * 5000)

    assert error_of("mine.toml") == "mine.toml: expected TOML, got tables nested too deeply"


@pytest.mark.parametrize("depth", [50, 150, 250, 330, 400])
def test_deep_nesting_is_read_or_named(shipped, depth):
    (shipped / "mine.toml").write_text("x = " + "[" * depth + "]" * depth)

    assert error_of("mine.toml").startswith("mine.toml: ")
