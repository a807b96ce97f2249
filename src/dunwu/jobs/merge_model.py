"""The stage that merges models weight by weight. They are read and written in parts: none of them is in memory as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor
from transformers import AutoConfig

from dunwu.algorithms.merging import average_weights, task_weights, weighted_sum
from dunwu.config.merge import MergeConfig
from dunwu.errors import ModelError
from dunwu.jobs.export_model import write_release
from dunwu.models.bundled import trained_as
from dunwu.models.folder import WEIGHTS
from dunwu.models.generations import write_for_both
from dunwu.models.heads import HEAD
from dunwu.models.loading import alone, load_tokenizer
from dunwu.models.protocols import Tokenizer
from dunwu.models.served_template import block_for, served_template
from dunwu.models.stored_tensors import DTYPES, Layout, StoredTensors, files_of, row_ranges, write_tensors
from dunwu.models.tokenizer_alignment import tokenizer_difference
from dunwu.run.atomic import check_room
from dunwu.run.reporter import QUIET, Reporter

VALUES = 2**24
"""Values of a tensor that are merged at a time: 128 MiB of float64."""
REMEDY = "merge models that were trained from one base"
_MAY_DIFFER = {
    *("_name_or_path", "name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "initializer_range"),
    *("max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "attention_dropout"),
}
"""Keys of config.json on which the meaning of the weights does not depend."""


def run_merge(config: MergeConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the merged model into the empty folder ``out``, in the precision of the base, or of the first model without one.

    Its configuration, tokenizer and template are those of the first model. Raises ``ModelError`` for models that do not fit each other.
    """
    names = {**({"base": config.base} if config.base else {}), **{f"models.{name}": model for name, model in config.models.items()}}
    folders = {key: files_of(name) for key, name in names.items()}
    stored = {key: StoredTensors(folder) for key, folder in folders.items()}
    _check_tensors(stored)
    _check_configurations(folders)
    tokenizer = _shared_tokenizer(names, reporter)
    layouts = next(iter(stored.values())).layouts
    check_room(out / WEIGHTS, sum(layout.size for layout in layouts.values()))
    _write_weights(out / WEIGHTS, config, list(stored.values()), layouts, reporter)
    first = f"models.{next(iter(config.models))}"
    _write_rest(out, names[first], folders[first], tokenizer, next(iter(layouts.values())))
    reporter.say(f"{config.method} of {', '.join(config.models)}: {len(layouts)} tensors")
    return out


def _write_weights(path: Path, config: MergeConfig, stored: list[StoredTensors], layouts: Mapping[str, Layout], reporter: Reporter) -> None:
    scale, given = 1.0 if config.scale is None else config.scale, config.weight_list()
    weights = average_weights(given) if config.method == "average" else task_weights([scale * each for each in given])
    with reporter.progress(len(layouts), "merging, tensors") as advance:
        done = 0

        def parts(name: str) -> Iterator[Tensor]:
            nonlocal done
            for rows in row_ranges(layouts[name], VALUES):
                yield weighted_sum([each.rows(name, *rows) for each in stored], weights)
            done += 1
            advance(done, {})

        write_tensors(path, layouts, parts)


def _write_rest(out: Path, name: str, folder: Path, tokenizer: Tokenizer, layout: Layout) -> None:
    """Configurations, tokenizer and the template of the first model's run."""
    for file in ("config.json", "generation_config.json"):
        if (folder / file).is_file():
            shutil.copyfile(folder / file, out / file)
    if (template := trained_as(name).get("template")) is not None:
        tokenizer.chat_template = served_template(block_for(template), tokenizer)
    tokenizer.save_pretrained(out)
    write_for_both(out, str(DTYPES[layout.dtype]).removeprefix("torch."))
    write_release(out, name)


def _check_tensors(stored: Mapping[str, StoredTensors]) -> None:
    """Raise ``ModelError`` with the first tensor that is not in all models, in one shape, as numbers of a type that can be merged."""
    first, one = next((key, each.layouts) for key, each in stored.items())
    for key, each in stored.items():
        other = each.layouts
        if missing := min(one.keys() ^ other.keys(), default=None):
            has, lacks = (first, key) if missing in one else (key, first)
            raise ModelError(f"{missing} is in the files of {has} and not of {lacks}: {REMEDY}, saved alike (dunwu export)")
        for name, layout in other.items():
            if layout.dtype not in DTYPES:
                raise ModelError(f"{key}: {name} is {layout.dtype}, which cannot be merged; convert the model to bfloat16 or float32")
            if layout.shape != one[name].shape:
                raise ModelError(f"{name} has shape {list(one[name].shape)} in {first} and {list(layout.shape)} in {key}: {REMEDY}")
    if HEAD in one:
        raise ModelError(f"{first} is a reward model ({HEAD}), and only language models are merged; leave it out")


def _check_configurations(folders: Mapping[str, Path]) -> None:
    """Raise ``ModelError`` for the first key of config.json that gives the same weights another meaning, such as the number of heads."""
    (first, one), *others = ((key, _configuration(folder)) for key, folder in folders.items())
    for key, other in others:
        for name in sorted((one.keys() | other.keys()) - _MAY_DIFFER):
            if one.get(name) != other.get(name):
                raise ModelError(f"config.json: {name} is {one.get(name)!r} in {first} and {other.get(name)!r} in {key}: {REMEDY}")


def _configuration(folder: Path) -> dict[str, object]:
    """config.json with the defaults of its architecture."""
    with alone():
        found: dict[str, object] = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    return found


def _shared_tokenizer(names: Mapping[str, str], reporter: Reporter) -> Tokenizer:
    """The first model's tokenizer. Raises ``ModelError`` if another one, or the base apart from its end of sequence, gives other ids."""
    tokenizers = {key: load_tokenizer(name) for key, name in names.items()}
    first = next(key for key in names if key != "base")
    for key, other in tokenizers.items():
        if why := tokenizer_difference(tokenizers[first], other, ends=key != "base"):
            raise ModelError(f"the tokenizers of {first} and {key} differ ({why}): {REMEDY}")
        if key != "base" and other.chat_template != tokenizers[first].chat_template:
            reporter.warn(f"{key} has another chat template than {first}, whose template the merged model takes")
    return tokenizers[first]
