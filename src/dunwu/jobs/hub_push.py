"""Pushes a model's folder to the Hugging Face hub, where a command says so and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from dunwu.errors import RunError, UserError
from dunwu.process.attempt import attempt
from dunwu.process.hub import hub_answers
from dunwu.run.reporter import Reporter

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


def check_push(repository: str) -> None:
    """Raise ``UserError`` for a name that the hub would refuse, without a token, and if the hub does not answer."""
    from huggingface_hub import constants, get_token

    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"--push {repository!r} is not a repository name: give owner/name, of letters, digits, dots and dashes")
    if attempt(get_token, lambda error: None) is None:
        raise UserError(f"--push {repository}: no token was found: run `hf auth login`, or set HF_TOKEN")
    if not hub_answers():
        raise UserError(f"--push {repository}: {constants.ENDPOINT} does not answer: check the network, or leave --push out")


def push(folder: Path, repository: str, reporter: Reporter) -> None:
    """Upload the folder to a repository, which is made (private) if there is none. Raises ``RunError`` if the hub refuses."""
    reporter.say(f"pushing {folder} to {repository}")
    if reason := attempt(lambda: _upload(folder, repository, reporter), lambda error: error):
        raise RunError(f"{folder} is written, and the push to {repository} failed ({reason}): try `hf upload {repository} {folder}`")


def _upload(folder: Path, repository: str, reporter: Reporter) -> str:
    from huggingface_hub import HfApi

    made = HfApi().create_repo(repository, private=True, exist_ok=True)
    done = HfApi().upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="Exported by dunwu")
    reporter.facts((("pushed", f"{made}, {done.oid[:12]}; a new repository is private"),))
    return ""
