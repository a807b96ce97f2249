"""GGUF files by llama.cpp's own converter, which is a script beside its source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dunwu.errors import RunError

VARIABLE = "DUNWU_LLAMA_CPP"
"""Environment variable with a folder of llama.cpp."""
SCRIPT = "convert_hf_to_gguf.py"
_TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def find_converter() -> Path:
    """The script in the folder of the variable, else on the path of commands. Raises ``RunError`` with the remedy if there is none."""
    named = os.environ.get(VARIABLE)
    found = Path(named).expanduser() / SCRIPT if named else Path(shutil.which(SCRIPT) or "")
    if found.is_file():
        return found
    where = f"{found} does not exist" if named else f"{SCRIPT} of llama.cpp was not found"
    raise RunError(f"{where}: set {VARIABLE} to a folder of llama.cpp (git clone https://github.com/ggml-org/llama.cpp)")


def convert(folder: Path, name: str, dtype: str) -> str:
    """Write ``NAME.gguf`` into a model's folder and return the file's name. Raises ``RunError`` with the converter's last line."""
    file = folder / f"{name}.gguf"
    command = [sys.executable, str(find_converter()), str(folder), "--outfile", str(file), "--outtype", _TYPES[dtype]]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or not file.is_file():
        file.unlink(missing_ok=True)
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise RunError(f"llama.cpp's converter failed ({lines[-1].strip()[:200]}): check its packages, and whether it supports the model")
    return file.name
