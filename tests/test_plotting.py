"""Pictures: written whole, by matplotlib alone when it is asked, and one line where there is none."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from dtrain import ConfigError, check_plotting, drawing

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_picture_has_title_labels_and_a_legend_of_what_has_a_label(tmp_path):
    with drawing(tmp_path / "a.png", "the title", "abscissa", "ordinate") as axes:
        axes.plot([0, 1], [0, 1], label="a line")
        axes.plot([0, 1], [1, 0])
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("the title", "abscissa", "ordinate")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a line"]
    assert (tmp_path / "a.png").read_bytes()[:8] == PNG
    assert os.listdir(tmp_path) == ["a.png"]


def test_without_labels_there_is_no_legend(tmp_path):
    with drawing(tmp_path / "a.png", "t", "x", "y") as axes:
        axes.plot([0, 1], [0, 1])
    assert axes.get_legend() is None


def test_an_error_while_drawing_leaves_the_picture_before_as_it_was(tmp_path):
    (tmp_path / "a.png").write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), drawing(tmp_path / "a.png", "t", "x", "y"):
        raise ZeroDivisionError
    assert (tmp_path / "a.png").read_bytes() == b"before"


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        check_plotting("plot_fit")
    assert str(caught.value) == (
        'plot_fit draws with matplotlib, which is not installed; pip install "dtrain[plot]", or leave plot_fit out'
    )


def test_to_ask_for_it_does_not_import_it():
    program = (
        "import sys; from dtrain import check_plotting, drawing; check_plotting('x'); "
        "print([name for name in sys.modules if name.startswith(('matplotlib', 'numpy'))])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    assert run.stdout == "[]\n"
