"""Steps that the user has write-protected, or moved elsewhere and linked, are not deleted to make room."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.run.checkpoint import save_checkpoint


def write(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_text("weights", encoding="utf-8")


def save(root: Path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(root, step, write, keep=1)


@pytest.mark.parametrize("protected", [".", "model", "model/weights", "manifest.json"])
def test_a_write_protected_step_stays(tmp_path: Path, protected: str) -> None:
    save(tmp_path, 1)
    path = tmp_path / "step-000001" / protected
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    save(tmp_path, 2, 3)
    path.chmod(mode)
    assert (tmp_path / "step-000001" / "model" / "weights").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000001", "step-000003"]


def test_what_a_linked_step_points_to_stays(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    save(run, 1)
    elsewhere.mkdir()
    (run / "step-000001").rename(elsewhere / "step-000001")
    (run / "step-000001").symlink_to(elsewhere / "step-000001")
    save(run, 2, 3)
    assert (elsewhere / "step-000001" / "model" / "weights").is_file()
    assert sorted(path.name for path in run.iterdir()) == ["latest", "step-000001", "step-000003"]
