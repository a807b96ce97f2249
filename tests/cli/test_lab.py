"""`dunwu lab` from the command line."""

import json
from pathlib import Path

import pytest

from dunwu.cli.main import main
from tests.analysis.conftest import write_whole_run
from tests.analysis.lab.conftest import write_step


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_whole_run(folder)
    (folder / "manifest.json").write_text(json.dumps({"kind": "zero", "config": {}}))
    write_step(folder, 10, ["9*3=27,27-10=17.</think><answer>9*3-10</answer>", "\x1b[31m<script>alert(1)</script> wait"])
    return folder


def test_both_files_are_written_and_named(run, tmp_path, capsys):
    assert main(["lab", str(run), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "lab.json").read_text())
    assert found["run"] == "run"
    page = (tmp_path / "out" / "lab.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(tmp_path / "out" / "lab.html")
    assert "\x1b" not in shown
    assert not (run / "lab.json").exists()


def test_json_is_what_the_file_holds(run, capsys):
    assert main(["lab", str(run), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.items() <= json.loads((run / "lab.json").read_text()).items()


def test_the_same_run_gives_the_same_bytes(run, tmp_path, capsys):
    for name in ("one", "two"):
        assert main(["lab", str(run), "--out", str(tmp_path / name)]) == 0
    for file in ("lab.json", "lab.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_refused(tmp_path, name, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert main(["lab", str(tmp_path / name)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "empty" / "lab.json").exists()


def test_a_page_of_somebody_else_is_not_replaced(run, capsys):
    (run / "lab.html").write_text("mine")
    assert main(["lab", str(run)]) == 2
    assert (run / "lab.html").read_text() == "mine"


@pytest.mark.parametrize("content", ["mine", "[]", '{"run": "notes"}'])
def test_numbers_of_somebody_else_are_not_replaced(run, content, capsys):
    (run / "lab.json").write_text(content)
    assert main(["lab", str(run)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (run / "lab.json").read_text() == content
    assert not (run / "lab.html").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which root can make nothing")
def test_a_folder_in_which_nothing_can_be_made_is_refused(run, capsys):
    assert main(["lab", str(run), "--out", "/proc/new"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_without_completions_says_what_is_missing(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero", "config": {}}))
    assert main(["lab", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "lab.json").read_text())
    assert "missing" in found["thinking_time"]
    assert found["missing"]
