"""Checkpoints under kills, flipped bits, cuts, lost, foreign and swapped files, and a full disk."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dunwu.errors import CheckpointError, RunError
from dunwu.run import atomic
from dunwu.run.atomic import REMOVING, WRITING, atomic_file, atomic_folder, remove_leftovers
from dunwu.run.checkpoint import newest_valid, save_checkpoint
from dunwu.run.directory import content_hash
from dunwu.run.step_manifest import verify_checkpoint

SIZE = 5000


def writer(step: int):
    """Writes two files, one in a folder, whose every byte tells the step."""

    def write(folder: Path) -> None:
        (folder / "model.bin").write_bytes(bytes([step % 251]) * SIZE)
        (folder / "trainer").mkdir()
        (folder / "trainer" / "state.bin").write_bytes(bytes([(step + 1) % 251]) * SIZE)

    return write


def save(root: Path, step: int, keep: int = 5, **options) -> Path:
    return save_checkpoint(root, step, writer(step), keep, **options)


def content_step(folder: Path) -> int:
    """The step whose bytes a folder holds; fails on a mixture."""
    model, state = (folder / "model.bin").read_bytes(), (folder / "trainer" / "state.bin").read_bytes()
    assert model == bytes([model[0]]) * SIZE
    assert state == bytes([model[0] + 1]) * SIZE
    return model[0]


def left_by_a_kill(root: Path, name: str, mark: str) -> Path:
    """The folder in which a killed process was writing or removing ``name``."""
    folder = root / f"{name}.k3_x9z0a.tmp"
    folder.mkdir(parents=True)
    (folder / mark).touch()
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def never_skips(folder: Path, reason: str) -> None:
    raise AssertionError(f"{folder} skipped: {reason}")


def test_a_saved_step_is_whole_named_by_the_pointer_and_carries_its_metadata(tmp_path):
    folder = save(tmp_path, 7, metadata={"policy_version": 3, "loss": 0.25})
    assert folder == tmp_path / "step-000007"
    assert verify_checkpoint(folder) == {"policy_version": 3, "loss": 0.25}
    assert (tmp_path / "latest").read_text() == "step-000007\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000007"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"].keys() == {"model.bin", "trainer/state.bin"}
    assert manifest["files"]["model.bin"]["size"] == SIZE


def test_newest_valid_orders_by_number_not_by_name(tmp_path):
    save(tmp_path, 999_999)
    save(tmp_path, 1_000_000)
    newest = newest_valid(tmp_path, never_skips)
    assert newest is not None
    assert newest.name == "step-1000000"
    assert newest_valid(tmp_path / "absent", never_skips) is None


def test_old_steps_go_except_those_to_keep(tmp_path):
    for step in (1, 2, 3, 4):
        save(tmp_path, step, keep=2, keep_steps=(1,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000001", "step-000003", "step-000004"]


def flip_a_bit(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.bin", "trainer/state.bin"])
def test_a_flipped_bit_anywhere_is_detected_and_the_file_named(tmp_path, name):
    folder = save(tmp_path, 1)
    generator = random.Random(0)
    for bit in [0, SIZE * 8 - 1, *(generator.randrange(SIZE * 8) for _ in range(100))]:
        flip_a_bit(folder / name, bit)
        with pytest.raises(CheckpointError, match=f"{name} is corrupt"):
            verify_checkpoint(folder)
        flip_a_bit(folder / name, bit)
    verify_checkpoint(folder)


def test_every_byte_of_the_manifest_is_guarded(tmp_path):
    folder = save(tmp_path, 1, metadata={"note": "x", "lr": 0.5})
    manifest = folder / "manifest.json"
    for bit in range(0, manifest.stat().st_size * 8, 7):  # 7 bits on: some bit of every byte, and every place in a byte
        flip_a_bit(manifest, bit)
        with pytest.raises(CheckpointError, match=r"manifest\.json"):
            verify_checkpoint(folder)
        flip_a_bit(manifest, bit)
    verify_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", '{"crc32": 0}', "{"])
def test_a_manifest_that_is_none_is_detected(tmp_path, text):
    folder = save(tmp_path, 1)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        verify_checkpoint(folder)


def cut(folder: Path, other: Path) -> None:
    os.truncate(folder / "model.bin", SIZE - 1)


def empty(folder: Path, other: Path) -> None:
    os.truncate(folder / "model.bin", 0)


def grow(folder: Path, other: Path) -> None:
    with (folder / "model.bin").open("ab") as file:
        file.write(b"x")


def lose(folder: Path, other: Path) -> None:
    (folder / "model.bin").unlink()


def lose_manifest(folder: Path, other: Path) -> None:
    (folder / "manifest.json").unlink()


def swap_within(folder: Path, other: Path) -> None:
    (folder / "model.bin").rename(folder / "x")
    (folder / "trainer" / "state.bin").rename(folder / "model.bin")
    (folder / "x").rename(folder / "trainer" / "state.bin")


def swap_between_steps(folder: Path, other: Path) -> None:
    shutil.copy(other / "model.bin", folder / "model.bin")


def swap_folders(folder: Path, other: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def replace_by_folder(folder: Path, other: Path) -> None:
    (folder / "model.bin").unlink()
    (folder / "model.bin").mkdir()


DAMAGES = [cut, empty, grow, lose, lose_manifest, swap_within, swap_between_steps, swap_folders, replace_by_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_detected_the_previous_step_used_and_the_torn_one_replaced(tmp_path, damage):
    older, newer = save(tmp_path, 1), save(tmp_path, 2)
    damage(newer, older)
    with pytest.raises(CheckpointError, match="step-000002"):
        verify_checkpoint(newer)
    skipped: list[tuple[Path, str]] = []
    assert newest_valid(tmp_path, lambda folder, reason: skipped.append((folder, reason))) == older
    assert [folder for folder, _ in skipped] == [newer]
    assert "step-000002" in skipped[0][1]
    assert content_step(save(tmp_path, 2)) == 2
    assert newest_valid(tmp_path, never_skips) == newer
    assert not list(tmp_path.glob("*.tmp"))


FOREIGN = (".DS_Store", "trainer/.nfs000000001", "model-q4.gguf", "notes.txt", "mine/thoughts.md")


def put_foreign(folder: Path) -> None:
    for name in FOREIGN:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)


def foreign_in(folder: Path) -> list[str]:
    return [name for name in FOREIGN if (folder / name).is_file() and (folder / name).read_text() == name]


def test_foreign_files_in_a_step_are_no_damage(tmp_path):
    folder = save(tmp_path, 1, metadata={"a": 1})
    before = content_hash(folder)
    put_foreign(folder)
    assert verify_checkpoint(folder) == {"a": 1}
    assert newest_valid(tmp_path, never_skips) == folder
    assert save(tmp_path, 1) == folder
    assert foreign_in(folder) == list(FOREIGN)
    assert content_hash(folder) == before


def test_an_old_step_goes_and_the_users_files_in_it_stay(tmp_path):
    put_foreign(save(tmp_path, 1))
    for step in (2, 3, 4):
        save(tmp_path, step, keep=2)
    assert foreign_in(tmp_path / "step-000001") == list(FOREIGN)
    assert not (tmp_path / "step-000001" / "model.bin").exists()
    assert not (tmp_path / "step-000001" / "manifest.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000001", "step-000003", "step-000004"]
    assert newest_valid(tmp_path, never_skips) == tmp_path / "step-000004"


@pytest.mark.parametrize("damage", [cut, lose, lose_manifest])
def test_a_torn_step_is_written_again_around_the_users_files(tmp_path, damage):
    older, newer = save(tmp_path, 1), save(tmp_path, 2)
    put_foreign(newer)
    damage(newer, older)
    assert content_step(save(tmp_path, 2)) == 2
    assert foreign_in(newer) == list(FOREIGN)
    verify_checkpoint(newer)


def test_a_deletion_that_was_killed_is_finished_and_keeps_the_users_files(tmp_path):
    put_foreign(save(tmp_path, 1))
    folder = left_by_a_kill(tmp_path, "step-000001", REMOVING)
    (tmp_path / "step-000001").rename(folder / "step-000001")
    (folder / "step-000001" / "model.bin").unlink()
    remove_leftovers(tmp_path)
    assert foreign_in(tmp_path / "step-000001") == list(FOREIGN)
    assert not (tmp_path / "step-000001" / "manifest.json").exists()
    assert names_in(tmp_path) == ["latest", "step-000001"]


def test_a_step_whose_manifest_was_being_written_goes_as_a_whole(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    folder = left_by_a_kill(tmp_path, "step-000002", WRITING)
    (tmp_path / "step-000002").rename(folder / "step-000002")
    os.truncate(folder / "step-000002" / "manifest.json", 20)
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == ["latest", "step-000001"]


def test_a_step_that_was_being_replaced_keeps_the_users_files(tmp_path):
    put_foreign(save(tmp_path, 1))
    lose_manifest(tmp_path / "step-000001", tmp_path)
    folder = left_by_a_kill(tmp_path, "step-000001", REMOVING)
    (tmp_path / "step-000001").rename(folder / "step-000001")
    remove_leftovers(tmp_path)
    assert foreign_in(tmp_path / "step-000001") == list(FOREIGN)
    folder = left_by_a_kill(tmp_path, "step-000001", REMOVING)
    (tmp_path / "step-000001").rename(folder / "step-000001")
    save(tmp_path, 1)
    remove_leftovers(tmp_path)
    assert foreign_in(tmp_path / "step-000001") == list(FOREIGN)
    assert names_in(tmp_path) == ["latest", "step-000001"]
    verify_checkpoint(tmp_path / "step-000001")


USERS = ("step-00009.tmp", "step-000009.tmp", "step-000009.torn.tmp", "step-000009.k3_x9z0a.tmp", "output.tmp", "model.tmp", "data.tmp")


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("full", [True, False])
def test_a_folder_without_our_mark_stays_and_bars_no_save(tmp_path, recorder, name, full):
    (tmp_path / name).mkdir()
    if full:
        (tmp_path / name / "thesis.tex").write_text("mine")
    remove_leftovers(tmp_path, recorder)
    save(tmp_path, 9)
    save(tmp_path, 10, keep=1)
    assert [name in text for text in recorder.of("warn")] == [True] * name.startswith("step-")
    remove_leftovers(tmp_path)
    assert names_in(tmp_path / name) == (["thesis.tex"] if full else [])
    assert names_in(tmp_path) == sorted([name, "latest", "step-000010"])


@pytest.mark.parametrize("name", ["step-000009.tmp", "latest.tmp", "config.yaml.tmp", "metrics.jsonl.tmp", "step-00009.parquet.tmp"])
def test_a_file_of_the_users_stays_and_bars_no_save(tmp_path, name):
    (tmp_path / name).write_text("mine")
    remove_leftovers(tmp_path)
    with atomic_file(tmp_path / name.removesuffix(".tmp")) as file:
        file.write(b"ours")
    (tmp_path / name.removesuffix(".tmp")).unlink()
    save(tmp_path, 9)
    assert (tmp_path / name).read_text() == "mine"


def test_a_whole_step_that_the_user_copied_to_a_temporary_name_stays(tmp_path):
    shutil.copytree(save(tmp_path, 1), tmp_path / "step-000001.tmp")
    shutil.copytree(tmp_path / "step-000001", tmp_path / "step-000001.k3_x9z0a.tmp")
    remove_leftovers(tmp_path)
    assert content_step(tmp_path / "step-000001.tmp") == content_step(tmp_path / "step-000001.k3_x9z0a.tmp") == 1


def test_a_mark_in_a_folder_of_another_name_is_none(tmp_path):
    for name in ("step-000009.tmp", "step-000009.backup.tmp", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / WRITING).touch()
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == ["mine", "step-000009.backup.tmp", "step-000009.tmp"]


def test_what_the_user_has_under_the_name_of_a_step_is_moved_aside_and_named(tmp_path, recorder):
    (tmp_path / "step-000001").mkdir()
    (tmp_path / "step-000001" / "model.bin").write_text("mine")
    (tmp_path / "step-000001" / "trainer").write_text("a file where ours is a folder")
    (tmp_path / "step-000001" / "notes.txt").write_text("notes")
    (tmp_path / "step-000001" / "manifest.json").write_text('{"name": "an extension"}')
    (tmp_path / "step-000002").write_text("a file")
    assert content_step(save(tmp_path, 1, reporter=recorder)) == 1
    assert content_step(save(tmp_path, 2, reporter=recorder)) == 2
    kept = tmp_path / "step-000001.old"
    assert names_in(kept) == ["manifest.json", "model.bin", "trainer"]
    assert (kept / "model.bin").read_text() == "mine"
    assert (tmp_path / "step-000001" / "notes.txt").read_text() == "notes"
    assert (tmp_path / "step-000002.old").read_text() == "a file"
    assert [name for name in (*names_in(kept), "step-000002.old") if not any(name in text for text in recorder.of("warn"))] == []
    verify_checkpoint(tmp_path / "step-000001")


def test_a_step_without_a_manifest_that_is_ours_is_not_deleted(tmp_path):
    for step in (1, 2, 3, 4):
        (tmp_path / f"step-{step:06d}").mkdir()
    shutil.rmtree(tmp_path / "step-000001")
    shutil.copytree(save(tmp_path / "other", 9), tmp_path / "step-000001")  # a copy under the number of another step
    (tmp_path / "step-000002" / "manifest.json").write_text("{}")
    (tmp_path / "step-000003" / "model.bin").write_text("mine")
    (tmp_path / "step-000004").rmdir()
    (tmp_path / "step-000004").symlink_to(save(tmp_path / "other", 4))
    for step in (5, 6):
        save(tmp_path, step, keep=1)
    assert content_step(tmp_path / "step-000001") == 9
    assert names_in(tmp_path / "step-000002") == ["manifest.json"]
    assert names_in(tmp_path / "step-000003") == ["model.bin"]
    assert content_step(tmp_path / "other" / "step-000004") == 4
    assert not (tmp_path / "step-000005").exists()


def test_a_file_of_a_step_that_has_changed_since_is_not_deleted_with_it(tmp_path):
    (save(tmp_path, 1) / "model.bin").write_text("pruned and quantised")
    save(tmp_path, 2, keep=1)
    assert names_in(tmp_path / "step-000001") == ["model.bin"]


def test_a_folder_that_is_made_again_keeps_what_is_not_the_same(tmp_path):
    data = tmp_path / "data"
    for round_ in ("first", "second"):
        with atomic_folder(data) as made:
            (made / "rows.jsonl").write_text(round_)
            (made / "card.json").write_text("same")
        if round_ == "first":
            (data / "mine.txt").write_text("mine")
    assert (data / "rows.jsonl").read_text() == "second"
    assert (data / "mine.txt").read_text() == "mine"
    assert (tmp_path / "data.old" / "rows.jsonl").read_text() == "first"
    assert names_in(tmp_path) == ["data", "data.old"]


def test_an_existing_whole_step_is_not_written_again(tmp_path):
    folder = save(tmp_path, 1)
    before = (folder / "model.bin").stat()
    save_checkpoint(tmp_path, 1, lambda folder: pytest.fail("written again"), keep=1)
    assert (folder / "model.bin").stat() == before


def test_a_torn_later_step_does_not_push_out_the_one_just_saved(tmp_path):
    save(tmp_path, 100)
    lose(save(tmp_path, 200), tmp_path)
    save(tmp_path, 150, keep=1)
    newest = newest_valid(tmp_path, lambda folder, reason: None)
    assert newest == tmp_path / "step-000150"


def test_a_failing_writer_leaves_nothing_and_its_error_is_seen(tmp_path):
    save(tmp_path, 1)

    def fails(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_checkpoint(tmp_path, 2, fails, keep=1)
    assert names_in(tmp_path) == ["latest", "step-000001"]


class FullDisk:
    """Stands for ``os.fsync``: the disk is full from the ``number``-th call on."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("number", range(5))
def test_disk_full_at_any_point_before_the_rename_loses_nothing(tmp_path, monkeypatch, number):
    older = save(tmp_path, 1)
    monkeypatch.setattr(atomic.os, "fsync", FullDisk(number))
    with pytest.raises(RunError, match=r"disk full while writing .*step-000002.*last valid checkpoint is safe") as caught:
        save(tmp_path, 2, keep=1)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000001"]
    assert newest_valid(tmp_path, never_skips) == older
    assert content_step(save(tmp_path, 2, keep=1)) == 2


def test_disk_full_as_the_writer_meets_it(tmp_path):
    older = save(tmp_path, 1)

    def full(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match="disk full"):
        save_checkpoint(tmp_path, 2, full, keep=1)
    assert newest_valid(tmp_path, never_skips) == older


def test_disk_full_in_the_words_of_safetensors(tmp_path):
    def full(folder: Path) -> None:
        raise atomic.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    def other(folder: Path) -> None:
        raise atomic.SafetensorError("Error while serializing: I/O error: (os error 2)")

    with pytest.raises(RunError, match="disk full"):
        save_checkpoint(tmp_path, 2, full, keep=1)
    with pytest.raises(atomic.SafetensorError):
        save_checkpoint(tmp_path, 2, other, keep=1)


def test_atomic_file_keeps_the_old_content_when_writing_fails(tmp_path):
    path = tmp_path / "a"
    with atomic_file(path) as file:
        file.write(b"old")

    def fails() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with path.open("rb", buffering=0) as reader:
        with atomic_file(path) as file:
            file.write(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_cut_file_is_told_by_its_size(tmp_path):
    folder = save(tmp_path, 1)
    cut(folder, folder)
    with pytest.raises(CheckpointError, match=f"model.bin has {SIZE - 1} bytes, {SIZE} were written"):
        verify_checkpoint(folder)


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    save(tmp_path, 1)
    (left_by_a_kill(tmp_path, "step-000002", WRITING) / "half").write_bytes(b"x")
    (left_by_a_kill(tmp_path, "latest", WRITING) / "latest").write_bytes(b"x")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "absent")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000001"]


SAVER = """
import sys, time
from pathlib import Path
from dunwu.run import atomic
from dunwu.run import checkpoint
root, size, calls = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def slowly(path, byte):
    with path.open("wb", buffering=0) as file:
        for _ in range(10):
            file.write(bytes([byte]) * (size // 10))
            time.sleep(0.0005)

def writer(step):
    def write(folder):
        slowly(folder / "model.bin", step % 251)
        (folder / "trainer").mkdir()
        slowly(folder / "trainer" / "state.bin", (step + 1) % 251)
    return write

def dies_at(real):
    def call(*arguments, **options):
        global calls
        calls -= 1
        if calls == 0:
            atomic.os._exit(9)
        return real(*arguments, **options)
    return call

if calls:
    for name in ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir"):
        setattr(atomic.os, name, dies_at(getattr(atomic.os, name)))
atomic.remove_leftovers(root)
found = checkpoint.newest_valid(root, lambda folder, reason: print("SKIPPED", folder, reason, flush=True))
step = int(found.name[5:]) if found else 0
while True:
    step += 1
    checkpoint.save_checkpoint(root, step, writer(step), keep=2)
    print("saved", step, flush=True)
    if calls and step == 3:
        break
"""


def start_saver(root: Path, calls: int) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SAVER, str(root), str(SIZE), str(calls)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def check_after_death(root: Path, output: str, before: int) -> int:
    """No step that was reported is lost, none is a mixture, and whatever is named like a step is whole. Returns the newest step."""
    assert "SKIPPED" not in output
    said = [int(line.split()[1]) for line in output.splitlines() if line.startswith("saved")]
    for folder in root.glob("step-??????"):
        verify_checkpoint(folder)
    newest = newest_valid(root, never_skips)
    step = int(newest.name.removeprefix("step-")) if newest else 0
    assert step >= max(said, default=before)
    if newest:
        assert content_step(newest) == step % 251
    return step


def test_kill_9_at_random_moments_of_a_save_never_loses_or_mixes_a_step(tmp_path):
    generator, step, inside = random.Random(0), 0, 0
    for _ in range(8):
        process = start_saver(tmp_path, calls=0)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(generator.uniform(0, 0.03))
        process.kill()
        output = first + process.stdout.read()
        process.wait()
        process.stdout.close()
        inside += any(tmp_path.glob("*.tmp"))
        step = check_after_death(tmp_path, output, step)
    assert step >= 8
    assert inside >= 1, "no kill fell inside a save: the test shows nothing"


def test_death_at_every_system_call_of_a_save_is_survived(tmp_path):
    survived = False
    for calls in range(1, 200):
        root = tmp_path / str(calls)
        save(root, 1)
        save(root, 2)
        process = start_saver(root, calls)
        output, _ = process.communicate()
        assert process.returncode in (0, 9)
        check_after_death(root, output, before=2)
        remove_leftovers(root)
        check_after_death(root, output, before=2)
        assert not any(path.is_file() for folder in root.glob("*.tmp") for path in folder.rglob("*"))
        if process.returncode == 0:
            survived = True
            break
    assert survived, "the range of calls does not cover a whole save"


def test_a_deletion_that_was_interrupted_leaves_nothing_that_looks_like_a_step(tmp_path):
    for step in (1, 2):
        save(tmp_path, step)
    doomed = left_by_a_kill(tmp_path, "step-000001", REMOVING) / "step-000001"
    (tmp_path / "step-000001").rename(doomed)
    (doomed / "trainer" / "state.bin").unlink()
    remove_leftovers(tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("step-*"))] == ["step-000002"]


def test_a_deletion_killed_before_its_last_call_leaves_no_empty_step(tmp_path):
    folder = left_by_a_kill(tmp_path, "step-000001", REMOVING)
    (folder / "step-000001").mkdir()
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
