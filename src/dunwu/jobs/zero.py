"""R1-Zero from start to finish: measure the base, train it by reinforcement learning, measure again, report."""

from __future__ import annotations

import copy
import json
from contextlib import closing
from pathlib import Path

import torch

from dunwu.algorithms.recipes import describe
from dunwu.analysis.live import live_page
from dunwu.analysis.report import write_report
from dunwu.config.zero import ZeroConfig
from dunwu.data.few_shot import with_examples
from dunwu.data.prompts import template_in_words, written_date
from dunwu.evaluation.session import EvaluationSession
from dunwu.jobs.checks import check_run, with_rows
from dunwu.jobs.data_inputs import data_hashes, data_inputs
from dunwu.jobs.evaluations import Evaluator, session_during
from dunwu.jobs.headline import already_finished, announce, budget_facts, conclude, final_checkpoint
from dunwu.jobs.outside import model_folder
from dunwu.jobs.reward_checks import check_parts, check_reward, teacher_facts
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.loading import load_model, pick_device
from dunwu.models.lora import add_lora, base_parameters
from dunwu.rewards.make import own_files, own_hash
from dunwu.rewards.pool import RewardPool
from dunwu.rollout.build import build_engine
from dunwu.run.dates import take_date
from dunwu.run.directory import RunDirectory, content_hash, read_metrics
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import folder_step
from dunwu.sandbox.open import where_programs_run
from dunwu.tasks.make import make_mixture
from dunwu.trainers.budget import budget_of
from dunwu.trainers.group_rewards import GroupRewards
from dunwu.trainers.grpo import GrpoTrainer
from dunwu.trainers.model_rewards import ModelRewards
from dunwu.trainers.teacher_rewards import teacher_rewards
from dunwu.trainers.teachers import Teachers, asked_teachers, with_templates
from dunwu.trainers.trackers import check_trackers, open_trackers
from dunwu.trainers.train_loop import Schedule, Show, run_steps

SHOWN = ("rewards/accuracy", "completions/mean_length", "reward", "entropy", "reflections_per_completion")


@stopping_at_once()
def run_zero(config: ZeroConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET, chosen: str = "") -> Path:
    """Start or resume one run and return its directory; ``chosen`` says which values follow the model.

    Raises ``Interrupted`` when asked to stop, after saving.
    """
    check_trackers(config.report_to)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    torch.manual_seed(config.seed)
    take_date(out)
    config = with_examples(config)
    teaching = any(asked_teachers(config))
    config = with_templates(config) if teaching else config
    check_parts(config)
    device = pick_device(config.device)
    model, tokenizer = load_model(config.model, device)
    if config.lora is not None:
        add_lora(model, config.lora, config.seed)
    task = make_mixture(config.tasks, config.answer_form)
    config, unmeasured = with_rows(config, task)
    # A sampler that runs while the trainer updates needs its own weights.
    sampler = copy.deepcopy(model) if config.grpo.staleness else model
    engine = build_engine(config.engine, sampler, tokenizer)
    data = data_inputs(config, task)
    checked = check_run(config, task, model, tokenizer)
    reward = check_reward(config, task)
    models = ModelRewards.load(config.reward, device)
    teachers = Teachers(config, tokenizer) if teaching else None
    taught = teacher_rewards(config, teachers, tokenizer) if teachers else []
    folder = model_folder(config.model)
    inputs = data if folder is None else {"model": content_hash(folder), **data}
    own = {key: (str(file), own_hash(file)) for key, file in own_files(config.reward, config.tripwire, config.dialogue).items()}
    inputs |= {key: hash for key, (_, hash) in own.items()}
    budget = budget_of(config, "zero", model)
    inputs |= {"budget": f"{budget.flops} FLOPs"} if budget else {}
    files = {**data_hashes(config), "model": {config.model: ""}, **{key: dict([named]) for key, named in own.items()}}
    with (
        RunDirectory.create(
            out, "zero", config.model_dump(mode="json"), config.seed, resume, inputs, files, config.resume_may_change, reporter=reporter
        ) as run,
        RewardPool(reward, config.reward_workers, config.reward_timeout) as pool,
        GroupRewards(config, pool.weights, models, taught) as group_rewards,
        open_trackers(config.report_to, run) as track,
        live_page(run) as page,
    ):
        last = final_checkpoint(run, config.grpo.steps, budget)
        if already_finished(run, last):
            return out
        _record_card(run, folder)
        if teachers:
            teachers.keep_in(run.path)
        trainer = GrpoTrainer(config, model, tokenizer, engine, pool, task, run, group_rewards, teachers)
        run.manifest["algorithm"] = describe(trainer.algorithm)
        run.manifest["arithmetic"] = {"generation": engine.decoder, "training": trainer.policy.scorer.name}
        run.manifest["sandbox"] = where_programs_run()
        run.note({"steps": None if budget else config.grpo.steps, "data": checked.facts()})
        written = template_in_words(config.template, tokenizer)
        plan = run.manifest["algorithm"], run.manifest["arithmetic"], written, chosen
        announce(reporter, config, out, base_parameters(model), str(device), torch.get_num_threads(), *plan)
        asked = teacher_facts(config, checked.prompts, tokenizer)
        reporter.facts((*budget_facts(budget), *asked, *checked.remarks(), *(("measured", line) for line in unmeasured)))
        for warning in checked.warnings:
            reporter.warn(warning)
        if day := written_date(config.template, tokenizer):
            reporter.facts((("date", f"{day}, which the chat template writes, also after a resume"),))
        session = EvaluationSession(engine, tokenizer, pool, config.template, config.max_prompt_tokens)
        evaluator = Evaluator(run, config, session, track)
        evaluator.measure("before")
        if not last.exists():  # a finished run may be asked for more steps
            evaluator.forget("after")
            run.reopen()
        often = config.save_every, config.keep_checkpoints
        schedule = Schedule(config.grpo.steps, *often, "zero", SHOWN, config.evaluate_every, budget)
        with closing(trainer), session_during(config, model, tokenizer, session) as during:

            def between(step: int, show: Show) -> None:
                evaluator.during(step, during, show)
                page(step, show)

            final = run_steps(run, trainer, schedule, between, track)
        trainer.load_engine(steps := folder_step(final) or 0)
        evaluator.measure("after", steps)
        summary = evaluator.summary(config.seed, str(device))
        if not run.finished:
            too_long = sum(row.get("prompts_too_long") or 0 for row in read_metrics(run.path))
            run.manifest["data"] = {**checked.facts(), "generated prompts too long": too_long}
            run.write_json("summary.json", summary)
            run.finish({"checkpoint": final})
        report = write_report(run.path)
    conclude(reporter, evaluator.results, summary["seconds"], final, report)
    return out


def _record_card(run: RunDirectory, folder: Path | None) -> None:
    """Copy the base model's card into the manifest, so that the report can quote it wherever the run is moved."""
    card = None if folder is None else folder / "card.json"
    if card is not None and card.is_file():
        run.manifest["base_card"] = json.loads(card.read_text(encoding="utf-8"))
