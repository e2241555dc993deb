"""What is read once a process is read anew as soon as an installation or a plugin has changed."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from pathlib import Path

import pytest

from dtrain.registry import Registry, manager
from dtrain.registry.discovery import discover
from dtrain.registry.installed import installed

PART = """
    from dtrain import Activation, hookimpl
    class {name}(Activation): pass
    @hookimpl
    def dtrain_activations(): return {{"{name}".lower(): {name}}}
"""


@pytest.fixture
def reads(monkeypatch):
    """The names of the files of distributions that are read."""
    found: list[str] = []
    read_text = importlib.metadata.PathDistribution.read_text

    def read(self, name):
        found.append(name)
        return read_text(self, name)

    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", read)
    return found


def names() -> list[str]:
    return Registry.load().names("activations")


def test_no_file_of_a_distribution_is_read_twice(site, reads):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert names() == ["first"]
    assert "METADATA" in reads
    reads.clear()
    assert names() == ["first"]
    assert reads == []


def test_a_manager_is_made_anew_only_for_other_plugins(site, monkeypatch):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    names()
    made = []
    monkeypatch.setattr(manager, "_manager_of", lambda plugins: made.append(plugins))
    manager.manager_of(discover())
    assert not made
    manager.manager_of(discover(extra=[("two", sys.modules["one"])]))
    assert len(made) == 1


def test_a_distribution_that_comes_later_is_found(site):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert names() == ["first"]
    site.install("two-dtrain", "1.0", {"two": "two"}, two=PART.format(name="Second"))
    assert names() == ["first", "second"]


def test_a_folder_that_comes_to_the_path_later_is_looked_at(site, tmp_path):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert names() == ["first"]
    type(site)(tmp_path / "later").install(
        "two-dtrain", "1.0", {"two": "two"}, two=PART.format(name="Second")
    )
    assert names() == ["first"]
    sys.path.insert(0, str(tmp_path / "later"))  # the list is the fixture's own
    assert names() == ["first", "second"]


def test_entry_points_that_are_written_anew_are_read_anew(site):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert [found.point.name for found in installed()] == ["one"]
    (written,) = site.folder.glob("*/entry_points.txt")
    written.write_text("[dtrain]\nother = one\n")
    assert [found.point.name for found in installed()] == ["other"]


def test_a_new_version_is_seen(site):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert [found.version for found in installed()] == ["1.0"]
    (info,) = site.folder.glob("*.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: one-dtrain\nVersion: 1.1\n")
    info.rename(info.with_name("one_dtrain-1.1.dist-info"))
    assert [found.version for found in installed()] == ["1.1"]


def test_a_folder_that_is_gone_is_no_error(site, monkeypatch):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    monkeypatch.setattr(sys, "path", [*sys.path, "/not/there", "", str(Path(__file__))])
    assert names() == ["first"]


def test_a_module_that_is_imported_anew_or_reloaded_counts(site):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert names() == ["first"]
    path = site.folder / "one.py"
    path.write_text(path.read_text().replace("First", "Another"))
    importlib.reload(sys.modules["one"])
    assert names() == ["another"]
    path.write_text(path.read_text().replace("Another", "YetAnother"))
    del sys.modules["one"]
    assert names() == ["yetanother"]


def test_a_hook_that_is_replaced_counts(site, monkeypatch, offering):
    site.install("one-dtrain", "1.0", {"one": "one"}, one=PART.format(name="First"))
    assert names() == ["first"]
    plugin = sys.modules["one"]
    other = offering(activations={"replaced": plugin.First})
    monkeypatch.setattr(plugin, "dtrain_activations", other.dtrain_activations)
    assert names() == ["replaced"]
