"""The distillation trainer against losses written out in torch, for students of other width, depth, heads and family than the teacher."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.config.pretrain import ModelShape
from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Counts, Example, ExampleReader
from dunwu.errors import ConfigError
from dunwu.models.chat import training_template
from dunwu.models.loading import load_model, save_model
from dunwu.models.new import new_model
from dunwu.models.tokenizer_alignment import vocabulary
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.distill import DistillTrainer
from dunwu.trainers.sft import SftTrainer
from dunwu.trainers.teacher_store import Stored, StoredExamples, missing, shard, store

SIZES = {"hidden": 16, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate": 32, "max_positions": 256}
SHAPES = {
    "teacher": {**SIZES, "family": "qwen2", "hidden": 32, "layers": 3, "heads": 4, "kv_heads": 2},
    "qwen": {**SIZES, "family": "qwen2"},
    "qwen3": {**SIZES, "family": "qwen3"},
    "llama": {**SIZES, "family": "llama"},
}
STUDENTS = ("qwen", "qwen3", "llama")
Open = Callable[..., DistillTrainer]


@pytest.fixture(scope="module")
def folders(world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The models' folders; their weights are large enough for distributions that are not flat."""
    root = tmp_path_factory.mktemp("models")
    for seed, (name, shape) in enumerate(SHAPES.items()):
        model = new_model(ModelShape(**shape), world_tokenizer, seed)
        with torch.no_grad():
            for matrix in (each for each in model.parameters() if each.ndim == 2):
                matrix.mul_(5)
        save_model(model, world_tokenizer, root / name)
        for rows in (24, 64):
            save_model(padded(model, len(world_tokenizer) + rows), world_tokenizer, root / f"{name}-{rows}")
    return {path.name: path for path in root.iterdir()}


def padded(model: Any, rows: int) -> Any:
    """The model with more rows in its embedding than its tokenizer has tokens; what they hold is the likeliest of all."""
    before = model.config.vocab_size
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        model.lm_head.weight[before:].normal_(std=3)
    return model


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("talks") / "rows.jsonl"
    rows = [{"prompt": f"Say {n}.", "completion": f"{n} " * (1 + n % 4) + "."} for n in range(10)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def open_distill(folders: dict[str, Path], talks: Path) -> Open:
    """``open_distill("llama", "method={...}")``: a trainer of 2 epochs of 3 updates in float32, validated on four of its rows."""

    def opened(student: str, *overrides: str, teacher: str = "teacher", stored: Path | None = None, sft: bool = False) -> Any:
        fixed = [f"model={folders[student]}", f"data={talks}", "batch_size=4", "learning_rate=1e-2", "matmul_precision=float32"]
        often = ["device=cpu", "threads=1", "evaluate_every=1000", "sample_every=1000", "sampling.max_tokens=5"]
        model, tokenizer = load_model(str(folders[student]))
        examples = list(ExampleReader(talks, training_template("tiny", tokenizer), tokenizer, 100, "refuse").read(Counts()))
        engine = TorchEngine(model, tokenizer, native=False)
        if sft:
            return SftTrainer(load_config(SftConfig, None, [*fixed, *often]), model, tokenizer, engine, examples, examples[:4])
        config = load_config(DistillationConfig, None, [*fixed, *often, f"teacher={folders[teacher]}", *overrides])
        taught, _ = load_model(str(folders[teacher]))
        if stored is None:
            return DistillTrainer(config, model, tokenizer, engine, examples, examples[:4], teacher=taught)
        how = Stored(config.method.top_k, config.method.temperature, vocabulary(tokenizer))  # type: ignore[union-attr]
        store(examples, stored, taught, how, "float32")
        kept: Any = StoredExamples(examples, stored, how)
        return DistillTrainer(config, model, tokenizer, engine, kept, [kept[i] for i in range(4)], teacher=None)

    return opened


def parameters(trainer: SftTrainer) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in (*trainer.model.named_parameters(), *trainer.beside.items())}


def gradients(trainer: SftTrainer, batch: list[Example]) -> dict[str, torch.Tensor]:
    trainer._accumulate(batch)
    found = {name: each.grad.clone() for name, each in trainer.optimiser.parameters.items() if each.grad is not None}
    for each in trainer.optimiser.parameters.values():
        each.grad = None
    return found


def states(model: Any, example: Example) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """What transformers says of a conversation, the places that predict its learned tokens, and those tokens."""
    ids, learned = torch.from_numpy(example.ids).long(), torch.from_numpy(example.learned)
    model.set_attn_implementation("eager")
    found = model(input_ids=ids[None], output_hidden_states=True, output_attentions=True)
    model.set_attn_implementation("sdpa")
    return found, learned[1:].nonzero()[:, 0], ids[learned]


def by_hand(trainer: DistillTrainer, teacher: Any, batch: list[Example], beside: Callable[..., Any]) -> tuple[float, float, Any]:
    """Means of the cross-entropy and of what ``beside(ours, theirs, at)`` sums, and the gradients of both with its weights."""
    total, parts, count = torch.zeros(()), [0.0, 0.0], sum(each.targets for each in batch)
    for example in batch:
        ours, at, targets = states(trainer.model, example)
        with torch.no_grad():
            theirs, _, _ = states(teacher, example)
        plain = cross_entropy(ours.logits[0, at], targets, reduction="sum")
        of_plain, of_other, other = beside(ours, theirs, at)
        total = total + (of_plain * plain + of_other * other) / count
        parts = [parts[0] + plain.item() / count, parts[1] + other.item() / count]
    total.backward()
    found = {name: each.grad.clone() for name, each in trainer.optimiser.parameters.items() if each.grad is not None}
    for each in trainer.optimiser.parameters.values():
        each.grad = None
    return parts[0], parts[1], found


def assert_equal(trainer: DistillTrainer, teacher: Any, term: str, beside: Callable[..., Any]) -> None:
    batch = trainer.batch(1)
    plain, other, expected = by_hand(trainer, teacher, batch, beside)
    found = gradients(trainer, batch)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-3, msg=name)
    metrics = trainer.step(1)
    assert metrics["cross_entropy"] == pytest.approx(plain, rel=1e-4)
    assert metrics[term] == pytest.approx(other, rel=1e-4, abs=1e-6)


@pytest.fixture
def teacher(folders: dict[str, Path]) -> Any:
    return load_model(str(folders["teacher"]))[0]


def kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p.exp() * (p - q)).sum(-1)


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "jensen-shannon", "skewed-forward", "skewed-reverse"])
def test_logits_equal_the_loss_by_hand(open_distill: Open, teacher: Any, student: str, divergence: str) -> None:
    beta = ", beta: 0.2" if divergence == "jensen-shannon" else ""
    trainer = open_distill(student, f"method={{kind: logits, weight: 0.3, divergence: {divergence}, temperature: 2{beta}}}")

    def beside(ours: Any, theirs: Any, at: torch.Tensor) -> Any:
        q, p = ((each.logits[0, at] / 2).log_softmax(-1) for each in (ours, theirs))
        found = {
            "forward-kl": lambda: kl(p, q),
            "reverse-kl": lambda: kl(q, p),
            "jensen-shannon": lambda: 0.2 * kl(p, m := (0.2 * p.exp() + 0.8 * q.exp()).log()) + 0.8 * kl(q, m),
            "skewed-forward": lambda: kl(p, (0.1 * p.exp() + 0.9 * q.exp()).log()),
            "skewed-reverse": lambda: kl(q, (0.9 * p.exp() + 0.1 * q.exp()).log()),
        }[divergence]()
        return 0.7, 0.3, 4 * found.sum()

    assert_equal(trainer, teacher, "divergence", beside)


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("distance", ["mse", "cosine"])
@pytest.mark.parametrize("layers", ["uniform", "last", "learned"])
def test_hidden_states_equal_the_loss_by_hand(open_distill: Open, teacher: Any, student: str, distance: str, layers: str) -> None:
    last = ", last: 2" if layers == "last" else ""
    trainer = open_distill(student, f"method={{kind: hidden, weight: 0.5, layers: {layers}, distance: {distance}{last}}}")
    pairs = {"last": [(1, 2), (2, 3)]}.get(layers, [(1, 2), (2, 3)])
    projections = [weight for name, weight in trainer.beside.items() if "project" in name]
    assert [tuple(each.shape) for each in projections] == [(32, 16)] * 2

    def beside(ours: Any, theirs: Any, at: torch.Tensor) -> Any:
        total = torch.zeros(())
        for place, (mine, other) in enumerate(pairs):
            state, target = ours.hidden_states[mine][0, at] @ projections[place].T, theirs.hidden_states[other][0, at]
            if layers == "learned":
                shares = trainer.beside["beside.transfer.scores_MN"][place].softmax(-1)
                target = sum(share * each[0, at] for share, each in zip(shares, theirs.hidden_states[1:], strict=True))
            square = (state - target).square().mean(-1)
            total = total + (square if distance == "mse" else 1 - torch.cosine_similarity(state, target, dim=-1)).sum() / 2
        return 1.0, 0.5, total

    assert_equal(trainer, teacher, "hidden", beside)


@pytest.mark.parametrize("student", STUDENTS)
def test_attention_maps_equal_the_loss_by_hand(open_distill: Open, folders: dict[str, Path], student: str) -> None:
    """With as many heads in both, relations of queries and keys are the attention maps; here of the last layers of two students."""
    trainer = open_distill(student, "method={kind: attention, weight: 2}", teacher="llama" if student != "llama" else "qwen")
    teacher, _ = load_model(trainer.config.teacher)  # type: ignore[attr-defined]

    def beside(ours: Any, theirs: Any, at: torch.Tensor) -> Any:
        total = torch.zeros(())
        for place in at:
            q, p = (each.attentions[-1][0, :, place, : place + 1].log() for each in (ours, theirs))
            total = total + kl(p, q).mean()
        return 1.0, 2.0, total

    assert_equal(trainer, teacher, "attention", beside)


@pytest.mark.parametrize("student", STUDENTS)
def test_value_relations_equal_the_loss_by_hand(open_distill: Open, teacher: Any, student: str) -> None:
    """Two relation heads, into which two heads of the student and four of the teacher are cut."""
    trainer = open_distill(student, "method={kind: attention, of: values, layers: uniform}")

    def relations(model: Any, hidden: Any, layer: int, place: int) -> torch.Tensor:
        block, config = model.model.layers[layer - 1], model.config
        values = block.self_attn.v_proj(block.input_layernorm(hidden[layer - 1]))[0]
        groups = values.view(len(values), config.num_key_value_heads, -1)
        heads = groups.repeat_interleave(config.num_attention_heads // config.num_key_value_heads, dim=1).reshape(len(values), 2, -1)
        scores = torch.einsum("rd,trd->rt", heads[place], heads[: place + 1]) / heads.shape[-1] ** 0.5
        return scores.log_softmax(-1)

    def beside(ours: Any, theirs: Any, at: torch.Tensor) -> Any:
        total = torch.zeros(())
        for place in at.tolist():
            for mine, other in ((1, 2), (2, 3)):
                p = relations(teacher, theirs.hidden_states, other, place).detach()
                total = total + kl(p, relations(trainer.model, ours.hidden_states, mine, place)).mean() / 2
        return 1.0, 1.0, total

    assert_equal(trainer, teacher, "attention", beside)


@pytest.mark.parametrize("method", ["logits", "hidden", "attention"])
def test_weight_zero_is_fine_tuning(open_distill: Open, method: str) -> None:
    taught, plain = open_distill("llama", f"method={{kind: {method}, weight: 0}}"), open_distill("llama", sft=True)
    for step in (1, 2, 3):
        ours, theirs = taught.step(step), plain.step(step)
        for name in ("loss", "entropy", "mean_token_accuracy", "grad_norm"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3), name
    assert taught.evaluate()["eval_loss"] == pytest.approx(plain.evaluate()["eval_loss"], rel=1e-3)


@pytest.mark.parametrize(
    "method", ["{kind: logits, weight: 1}", "{kind: hidden}", "{kind: attention}", "{kind: attention, of: values}", "on-policy"]
)
def test_a_teacher_that_is_the_student_teaches_nothing(open_distill: Open, method: str) -> None:
    metrics = open_distill("qwen3", f"method={method}", teacher="qwen3").evaluate()
    term = next(name for name in ("eval_divergence", "eval_hidden", "eval_attention") if name in metrics)
    assert metrics[term] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("student", "teacher"), [("llama", "teacher-24"), ("llama-64", "teacher-24"), ("llama-24", "teacher-64")])
def test_the_padding_of_embeddings_is_not_compared(open_distill: Open, tmp_path: Path, student: str, teacher: str) -> None:
    """As of Qwen2.5: 151,936 rows in small models and 152,064 in large ones."""
    for method, stored in (("{kind: logits}", None), ("{kind: logits, top_k: 100}", tmp_path)):
        plain = open_distill("llama", f"method={method}", stored=stored and stored / "plain").evaluate()
        found = open_distill(student, f"method={method}", teacher=teacher, stored=stored and stored / "padded").evaluate()
        assert found["eval_divergence"] == pytest.approx(plain["eval_divergence"], rel=1e-5)


def test_a_student_that_samples_padding_ends_there(open_distill: Open, world_tokenizer: Any) -> None:
    trainer = open_distill("qwen-64", "method={kind: on-policy, sampling: {max_tokens: 7}}", teacher="teacher-24")
    rows, batch = SftTrainer.batch(trainer, 1), trainer.batch(1)
    ended = [each for row, each in zip(rows, batch, strict=True) if len(each.ids) - row.start < 7]
    assert ended
    assert all(each.ids[-1] == world_tokenizer.eos_token_id for each in ended)
    assert all(each.ids.max() < len(world_tokenizer) for each in batch)
    assert torch.isfinite(torch.tensor(trainer.step(1)["divergence"]))


def test_micro_batches_change_nothing(open_distill: Open) -> None:
    for method in ("logits", "hidden", "attention"):
        found = [open_distill("qwen", f"method={method}", f"micro_batch_tokens={budget}").step(1) for budget in (1, 10_000)]
        for name in ("loss", "grad_norm", "cross_entropy"):
            assert found[0][name] == pytest.approx(found[1][name], rel=1e-4)


def test_a_step_learns_from_the_teacher_and_leaves_it_as_it_is(open_distill: Open) -> None:
    trainer = open_distill("llama", "method={kind: logits, weight: 1}", "epochs=10")
    teacher = trainer.scorer._teacher.model  # type: ignore[attr-defined]
    before = {name: each.clone() for name, each in teacher.named_parameters()}
    first = trainer.evaluate()["eval_divergence"]
    for step in range(1, 21):
        trainer.step(step)
    assert trainer.evaluate()["eval_divergence"] < 0.5 * first
    assert all(torch.equal(each, before[name]) and each.grad is None for name, each in teacher.named_parameters())


def test_what_is_stored_of_all_tokens_is_the_full_divergence(open_distill: Open, tmp_path: Path, world_tokenizer: Any) -> None:
    everything = len(world_tokenizer)
    full = open_distill("llama", "method={kind: logits, temperature: 2}").step(1)
    for k, near in ((everything, 1e-4), (64, None)):
        kept = open_distill("llama", f"method={{kind: logits, temperature: 2, top_k: {k}}}", stored=tmp_path / str(k)).step(1)
        if near:
            assert (kept["loss"], kept["divergence"]) == pytest.approx((full["loss"], full["divergence"]), rel=near)
        else:
            assert 0 < kept["divergence"] <= full["divergence"]


def test_a_stopped_store_continues(open_distill: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunwu.trainers.teacher_store.SHARD", 3)
    method = "method={kind: logits, top_k: 8}"
    first = open_distill("llama", method, stored=tmp_path).step(1)
    examples = open_distill("llama").examples
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert not missing(examples, tmp_path)
    kept = files[0].read_bytes(), files[0].stat().st_mtime_ns
    shard(tmp_path, 5).unlink()
    files[3].write_bytes(files[3].read_bytes()[:100])
    assert missing(examples, tmp_path) == [3, 9]
    again = open_distill("llama", method, stored=tmp_path).step(1)
    assert again["loss"] == first["loss"]
    assert (files[0].read_bytes(), files[0].stat().st_mtime_ns) == kept


@pytest.mark.parametrize("method", ["logits", "{kind: hidden, layers: learned}", "attention", "{kind: on-policy, student_share: 0.5}"])
def test_a_resumed_run_has_the_same_weights(open_distill: Open, tmp_path: Path, method: str) -> None:
    whole = open_distill("llama", f"method={method}")
    steps = [whole.step(step) for step in range(1, 7)]
    stopped = open_distill("llama", f"method={method}")
    for step in range(1, 4):
        stopped.step(step)
    (tmp_path / "saved").mkdir()
    stopped.save(tmp_path / "saved")
    resumed = open_distill("llama", f"method={method}")
    resumed.load(tmp_path / "saved")
    assert [resumed.step(step)["loss"] for step in range(4, 7)] == [metrics["loss"] for metrics in steps[3:]]
    expected, found = parameters(whole), parameters(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], each) for name, each in expected.items())
    if "hidden" in method:
        fresh = parameters(open_distill("llama", f"method={method}"))
        assert all(not torch.equal(fresh[name], found[name]) for name in whole.beside)


def test_on_policy_batches_are_what_the_student_says(open_distill: Open, teacher: Any) -> None:
    trainer = open_distill("qwen", "method={kind: on-policy, sampling: {max_tokens: 7}}")
    rows, batch = SftTrainer.batch(trainer, 1), trainer.batch(1)
    for row, sampled in zip(rows, batch, strict=True):
        assert sampled.start == row.start
        assert sampled.ids[: row.start].tolist() == row.ids[: row.start].tolist()
        assert 1 <= len(sampled.ids) - row.start <= 7
        assert sampled.learned[row.start :].all()
    assert [each.ids.tolist() for each in trainer.batch(1)] == [each.ids.tolist() for each in batch]
    assert [each.ids.tolist() for each in trainer.batch(2)] != [each.ids.tolist() for each in batch]

    def beside(ours: Any, theirs: Any, at: torch.Tensor) -> Any:
        q, p = (each.logits[0, at].log_softmax(-1) for each in (ours, theirs))
        return 0.0, 1.0, kl(q, p).sum()

    assert_equal(trainer, teacher, "divergence", beside)


def test_the_students_share_of_the_updates(open_distill: Open) -> None:
    for share, least, most in ((0, 0, 0), (1, 100, 100), (0.5, 35, 65)):
        trainer = open_distill("qwen", f"method={{kind: on-policy, student_share: {share}}}")
        assert least <= sum(trainer.samples_at(step) for step in range(1, 101)) <= most
    rows = open_distill("qwen", "method={kind: on-policy, student_share: 0}")
    assert [each.where for each in rows.batch(1)] == [each.where for each in open_distill("qwen").batch(1)]
    assert rows.step(1)["sampled_tokens"] == 0
    sampled = open_distill("qwen", "method=on-policy", "batch_size=2").step(1)
    assert sampled["sampled_tokens"] == sampled["learned_tokens"] > 0
    assert sampled["teacher_tokens"] == sampled["num_tokens"]


@pytest.mark.parametrize("method", ["{kind: hidden, layers: last, last: 3}", "{kind: attention, last: 3}", "{kind: attention, heads: 3}"])
def test_layers_and_heads_that_are_missing_are_refused(open_distill: Open, method: str) -> None:
    with pytest.raises(ConfigError):
        open_distill("llama", f"method={method}")
