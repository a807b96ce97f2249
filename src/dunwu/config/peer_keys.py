"""What TRL (1.16), verl (0.9) and OpenRLHF (0.11, and its older options) call our keys, so that a user of theirs is told ours.

Each of their names has one or more answers: a key of ours with a remark, of which the first that the command has is given, or ``!`` and
a sentence where there is no such key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

_BATCH = (
    "grpo.prompts_per_step (prompts in a step; grpo.micro_batch_tokens limits the memory of a pass)",
    "batch_size (rows in an update; micro_batch_tokens limits the memory of a pass)",
)
_MICRO = ("grpo.micro_batch_tokens (tokens, not rows, of a pass)", "micro_batch_tokens (tokens, not rows, of a pass)")
_MINI = ("grpo.minibatches (updates in a step)", *_BATCH)
_STEPS = ("grpo.steps", "!the number of updates follows from epochs and batch_size: set these")
_EPOCHS = ("epochs", "!RL counts steps, not passes over the data: set grpo.steps")
_RATE = ("grpo.learning_rate", "learning_rate")
_WARMUP = ("grpo.warmup_steps (steps, not a share)", "warmup_steps (steps, not a share)")
_DECAY = ("grpo.weight_decay", "weight_decay")
_NORM = ("grpo.max_grad_norm", "max_grad_norm")
_BETAS = ("grpo.adam_betas", "adam_betas", "!the betas of this trainer are fixed: leave it out")
_SCHEDULE = ("final_learning_rate (share of the peak at the end of the cosine; 1 is constant)", "!the schedule is fixed: leave it out")
_KL = ("grpo.beta", "!only RL has a KL penalty: leave it out")
_ALGORITHM = ("grpo.algorithm (such as grpo-r1, dr-grpo, dapo, gspo, rloo, reinforce++)", "!this trainer has one loss: leave it out")
_CLIP = ("grpo.clip_low (and grpo.clip_high)", "!only RL clips: leave it out")
_CLIP_HIGH = ("grpo.clip_high", "!only RL clips: leave it out")
_INNER = ("grpo.inner_epochs", "epochs")
_ENTROPY = ("grpo.entropy_bonus", "!only RL has an entropy bonus: leave it out")
_DYNAMIC = ("grpo.max_sampling_rounds (above 1: dynamic sampling)", "!only RL samples: leave it out")
_GROUP = ("grpo.group_size", "!only RL samples groups: leave it out")
_LENGTH = ("sampling.max_tokens", "max_length", "max_tokens")
_PROMPT = ("max_prompt_tokens", "max_length", "max_tokens")
_DATA = ("data", "tasks (a name such as gsm8k, or a data file)", "task (a name such as gsm8k, or a data file)")
_HELD_OUT = ("validation", "evaluations (each with its task)", _DATA[-1], "!held-out rows are split off by themselves: leave it out")
_REWARD = ("reward (such as [accuracy, format, my.py:function])", "!only RL has a reward: leave it out")
_EVERY = ("evaluate_every", "sample_every (held-out rows are measured then)")
_EVAL_SAMPLES = ("evaluations.0.samples", "!only evaluations sample several completions: leave it out")
_LIMIT = (
    "problems",
    "grpo.steps (each draws grpo.prompts_per_step problems; evaluations.0.problems limits an eval set)",
    "!all rows are read: give a file with fewer",
)
_REPORT = ("report_to", "!every metric is in RUN/metrics.jsonl, and dunwu report draws them: leave it out")
_OUT = ("!give the run directory as --out FOLDER (in Python out=)",)
_RESUME = ("!resume with --resume (in Python resume=True) and the run directory",)
_LOGGING = ("!every step is logged to RUN/metrics.jsonl: leave it out",)
_PRECISION = ("matmul_precision (precision of the matrix products)",)
_ENGINE = ("!the built-in engine samples, nothing is to be set up: leave it out (engine.max_batch limits its memory)",)
_ONE_DEVICE = ("!a run uses one device, which device names: leave it out",)
_CRITIC = ("!there is no critic: groups give the baseline; leave it out",)
_TEMPLATE = ("template (auto: the model's own chat template; a file ends in .jinja)", "!the model's own template is used: leave it out")
_FEW_SHOT = ("template.few_shot (such as {file: train.jsonl, count: 4})", "!only what answers has examples: leave it out")
_COLUMNS = ("tasks.0.task.problem_column (dunwu data FILE shows what is read)", "!columns are found by their names (dunwu data FILE)")
_PACKING = ("!rows are batched by tokens (micro_batch_tokens), not packed: leave it out",)
_TRUNCATION = ("overlong (refuse or drop; rows are never cut)", "!rows that are too long are dropped or refused, never cut: leave it out")

TRL: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("num_generations", "G"), _GROUP),
    **dict.fromkeys(("max_steps", "steps"), _STEPS),
    **dict.fromkeys(("num_train_epochs", "num_epochs", "n_epochs"), _EPOCHS),
    **dict.fromkeys(("per_device_train_batch_size", "generation_batch_size", "train_batch_size"), _BATCH),
    "per_device_eval_batch_size": ("engine.max_batch", *_MICRO),
    "gradient_accumulation_steps": _BATCH,
    "steps_per_generation": _MINI,
    "num_iterations": _INNER,
    **dict.fromkeys(("learning_rate", "lr"), _RATE),
    **dict.fromkeys(("warmup_ratio", "warmup_steps"), _WARMUP),
    "weight_decay": _DECAY,
    "max_grad_norm": _NORM,
    **dict.fromkeys(("adam_beta1", "adam_beta2"), _BETAS),
    **dict.fromkeys(("lr_scheduler_type", "lr_scheduler_kwargs"), _SCHEDULE),
    **dict.fromkeys(("optim", "optimizer"), ("!the optimiser is AdamW: leave it out",)),
    **dict.fromkeys(("beta", "kl_coef"), _KL),
    **dict.fromkeys(("loss_type", "scale_rewards", "importance_sampling_level", "advantage_estimator"), _ALGORITHM),
    **dict.fromkeys(("epsilon", "cliprange", "eps_clip"), _CLIP),
    "epsilon_high": _CLIP_HIGH,
    "entropy_coef": _ENTROPY,
    "sync_ref_model": ("grpo.reference_every", "!only RL has a reference model: leave it out"),
    "ref_model_sync_steps": ("grpo.reference_every", "!only RL has a reference model: leave it out"),
    **dict.fromkeys(("max_completion_length", "max_new_tokens", "max_tokens", "response_length"), _LENGTH),
    **dict.fromkeys(("max_prompt_length", "prompt_length"), _PROMPT),
    **dict.fromkeys(("max_seq_length", "max_length", "max_len", "model_max_length"), ("max_length", "max_tokens", "sampling.max_tokens")),
    **{name: (f"sampling.{name}", "!only sampling has it: leave it out") for name in ("temperature", "top_p", "top_k", "min_p")},
    "repetition_penalty": ("!sampling has no repetition penalty: leave it out, or add the part repetition to the reward",),
    "mask_truncated_completions": ("grpo.algorithm", "!only RL cuts completions off: leave it out"),
    **dict.fromkeys(("reward_funcs", "reward_functions"), _REWARD),
    "reward_weights": ("reward (such as [{kind: accuracy, weight: 0.5}])", "!only RL has a reward: leave it out"),
    **dict.fromkeys(("report_to", "run_name"), _REPORT),
    **dict.fromkeys(("logging_steps", "logging_dir", "logging_strategy", "log_completions", "num_completions_to_print"), _LOGGING),
    **dict.fromkeys(("save_steps", "save_strategy"), ("save_every",)),
    "save_total_limit": ("keep_checkpoints",),
    **dict.fromkeys(("eval_steps", "eval_strategy", "evaluation_strategy"), _EVERY),
    **dict.fromkeys(("output_dir", "overwrite_output_dir"), _OUT),
    "resume_from_checkpoint": _RESUME,
    **dict.fromkeys(("bf16", "fp16", "tf32", "torch_dtype", "dtype", "mixed_precision"), _PRECISION),
    "use_cpu": ("device (cpu)",),
    **dict.fromkeys(("model_name_or_path", "model_name", "pretrained_model_name_or_path"), ("model (--model FOLDER)",)),
    **dict.fromkeys(("dataset_name", "train_dataset", "dataset", "train_file", "dataset_path"), _DATA),
    "eval_dataset": _HELD_OUT,
    **dict.fromkeys(("dataset_text_field", "remove_unused_columns"), _COLUMNS),
    **dict.fromkeys(("packing", "padding_free", "group_by_length"), _PACKING),
    "truncation_mode": _TRUNCATION,
    **dict.fromkeys(("chat_template_path", "chat_template"), _TEMPLATE),
    **dict.fromkeys(("system_prompt", "system_message"), ("template.system", "!rows hold their system turns: leave it out")),
    **dict.fromkeys(("num_fewshot", "fewshot"), _FEW_SHOT),
    **dict.fromkeys(("assistant_only_loss", "completion_only_loss"), ("!the loss covers the assistant's turns only: leave it out",)),
    **dict.fromkeys(("peft_config", "use_peft"), ("lora (such as {rank: 16})",)),
    **dict.fromkeys(("lora_r", "lora_rank"), ("lora.rank",)),
    "lora_alpha": ("lora.alpha",),
    "lora_target_modules": ("lora.targets",),
    "lora_dropout": ("!adapters have no dropout, as the engine samples without: leave it out",),
    "data_seed": ("seed",),
    "limit": _LIMIT,
    "center_rewards_coefficient": ("margin", "!only reward models have it: leave it out"),
    **dict.fromkeys(("deepspeed", "fsdp", "ddp_find_unused_parameters", "local_rank"), _ONE_DEVICE),
}
_ACTOR, _ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
VERL: Mapping[str, tuple[str, ...]] = {
    f"{_ROLLOUT}.n": _GROUP,
    f"{_ROLLOUT}.response_length": _LENGTH,
    f"{_ROLLOUT}.prompt_length": _PROMPT,
    **{f"{_ROLLOUT}.{name}": (f"sampling.{name}", "!only sampling has it: leave it out") for name in ("temperature", "top_p", "top_k")},
    f"{_ROLLOUT}.max_num_seqs": ("engine.max_batch", "!nothing is sampled: leave it out"),
    f"{_ROLLOUT}.val_kwargs.n": _EVAL_SAMPLES,
    f"{_ACTOR}.optim.lr": _RATE,
    **dict.fromkeys((f"{_ACTOR}.optim.lr_warmup_steps", f"{_ACTOR}.optim.lr_warmup_steps_ratio", "optim.lr_warmup_steps_ratio"), _WARMUP),
    f"{_ACTOR}.optim.weight_decay": _DECAY,
    **dict.fromkeys((f"{_ACTOR}.grad_clip", f"{_ACTOR}.optim.clip_grad", "optim.clip_grad"), _NORM),
    f"{_ACTOR}.ppo_mini_batch_size": _MINI,
    **dict.fromkeys(
        (f"{_ACTOR}.ppo_micro_batch_size_per_gpu", f"{_ACTOR}.ppo_max_token_len_per_gpu", "data.micro_batch_size_per_gpu"), _MICRO
    ),
    f"{_ACTOR}.ppo_epochs": _INNER,
    **dict.fromkeys((f"{_ACTOR}.clip_ratio", f"{_ACTOR}.clip_ratio_low"), _CLIP),
    f"{_ACTOR}.clip_ratio_high": _CLIP_HIGH,
    **dict.fromkeys((f"{_ACTOR}.kl_loss_coef", f"{_ACTOR}.use_kl_loss", "algorithm.kl_ctrl.kl_coef", "algorithm.use_kl_in_reward"), _KL),
    f"{_ACTOR}.entropy_coeff": _ENTROPY,
    **dict.fromkeys(("algorithm.adv_estimator", "algorithm.norm_adv_by_std_in_grpo", f"{_ACTOR}.loss_agg_mode"), _ALGORITHM),
    **dict.fromkeys(("algorithm.filter_groups.enable", "algorithm.filter_groups.max_num_gen_batches"), _DYNAMIC),
    **dict.fromkeys(("actor_rollout_ref.model.path", "model.partial_pretrain"), ("model (--model FOLDER)",)),
    "actor_rollout_ref.model.lora_rank": ("lora.rank",),
    "actor_rollout_ref.model.lora_alpha": ("lora.alpha",),
    "actor_rollout_ref.model.target_modules": ("lora.targets",),
    "actor_rollout_ref.model.enable_gradient_checkpointing": ("gradient_checkpointing", "!there is none here: leave it out"),
    "data.train_files": _DATA,
    "data.val_files": _HELD_OUT,
    **dict.fromkeys(("data.train_batch_size", "data.gen_batch_size"), _BATCH),
    "data.max_prompt_length": _PROMPT,
    **dict.fromkeys(("data.max_response_length", "data.max_length"), _LENGTH),
    **dict.fromkeys(("data.prompt_key", "data.messages_key", "data.reward_fn_key"), _COLUMNS),
    **dict.fromkeys(("data.truncation", "data.filter_overlong_prompts"), ("!rows that are too long are dropped or refused, never cut",)),
    "data.seed": ("seed",),
    **dict.fromkeys(("custom_reward_function.path", "reward.custom_reward_function.path", "reward_model.path"), _REWARD),
    "trainer.total_epochs": _EPOCHS,
    "trainer.total_training_steps": _STEPS,
    "trainer.save_freq": ("save_every",),
    "trainer.test_freq": _EVERY,
    **dict.fromkeys(("trainer.max_actor_ckpt_to_keep", "trainer.max_ckpt_to_keep"), ("keep_checkpoints",)),
    **dict.fromkeys(("trainer.logger", "trainer.project_name", "trainer.experiment_name"), _REPORT),
    "trainer.default_local_dir": _OUT,
    **dict.fromkeys(("trainer.resume_mode", "trainer.resume_from_path"), _RESUME),
    **dict.fromkeys(("trainer.n_gpus_per_node", "trainer.nnodes"), _ONE_DEVICE),
    "trainer.device": ("device",),
    "trainer.seed": ("seed",),
}
OPENRLHF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("pretrain", "actor.model_name_or_path", "model.model_name_or_path"), ("model (--model FOLDER)",)),
    **dict.fromkeys(("prompt_data", "data.prompt_dataset", "data.dataset"), _DATA),
    **dict.fromkeys(("eval.dataset",), _HELD_OUT),
    **dict.fromkeys(("input_key", "output_key", "label_key", "prompt_key", "data.input_key", "data.label_key"), _COLUMNS),
    **dict.fromkeys(("n_samples_per_prompt", "rollout.n_samples_per_prompt"), _GROUP),
    "eval.n_samples_per_prompt": _EVAL_SAMPLES,
    **dict.fromkeys(("rollout_batch_size", "rollout.batch_size"), _BATCH),
    "train.batch_size": _MINI,
    **dict.fromkeys(("micro_train_batch_size", "micro_rollout_batch_size", "train.micro_batch_size", "rollout.micro_batch_size"), _MICRO),
    **dict.fromkeys(("num_episodes", "train.num_episodes"), _EPOCHS),
    **dict.fromkeys(("max_epochs", "train.max_epochs"), _INNER),
    **dict.fromkeys(("actor_learning_rate", "adam.lr", "actor.adam.lr"), _RATE),
    **dict.fromkeys(("critic_learning_rate", "critic_pretrain", "gamma", "lambd", "value_clip", "critic.adam.lr"), _CRITIC),
    **dict.fromkeys(("init_kl_coef", "algo.kl.init_coef", "algo.kl.use_loss"), _KL),
    **dict.fromkeys(("algo.advantage.estimator", "algo.advantage.no_std_norm", "actor.policy_loss_type"), _ALGORITHM),
    **dict.fromkeys(("actor.eps_clip", "eps_clip_low_high", "actor.eps_clip_low_high"), _CLIP),
    "actor.entropy_coef": _ENTROPY,
    **dict.fromkeys(("dynamic_filtering", "algo.dynamic_filtering_enable"), _DYNAMIC),
    **dict.fromkeys(("generate_max_len", "rollout.max_new_tokens"), _LENGTH),
    "prompt_max_len": _PROMPT,
    "data.max_len": ("max_length", "max_tokens", "max_prompt_tokens"),
    **dict.fromkeys(("rollout.temperature",), ("sampling.temperature", "!only sampling has it: leave it out")),
    **dict.fromkeys(("rollout.top_p",), ("sampling.top_p", "!only sampling has it: leave it out")),
    **dict.fromkeys(("remote_rm_url", "reward_pretrain", "reward.model_name_or_path", "reward.remote_url"), _REWARD),
    **dict.fromkeys(("lr_warmup_ratio",), _WARMUP),
    **dict.fromkeys(("lr_scheduler", "min_lr_ratio"), _SCHEDULE),
    **dict.fromkeys(("max_norm",), _NORM),
    **dict.fromkeys(("save_path", "ckpt_path", "ckpt.output_dir", "ckpt.path"), _OUT),
    "ckpt.save_steps": ("save_every",),
    **dict.fromkeys(("max_ckpt_num", "ckpt.max_num"), ("keep_checkpoints",)),
    **dict.fromkeys(("load_checkpoint", "ckpt.load_enable"), _RESUME),
    "eval.steps": _EVERY,
    **dict.fromkeys(("use_wandb", "wandb_project", "use_tensorboard", "logger.wandb.key", "logger.tensorboard_dir"), _REPORT),
    "logger.logging_steps": _LOGGING,
    **dict.fromkeys(("ds.lora.rank",), ("lora.rank",)),
    **dict.fromkeys(("ds.lora.alpha",), ("lora.alpha",)),
    **dict.fromkeys(("apply_chat_template", "data.apply_chat_template", "input_template"), _TEMPLATE),
    **dict.fromkeys(("packing_samples", "ds.packing_samples"), _PACKING),
    **dict.fromkeys(
        ("zero_stage", "ds.zero_stage", "adam_offload", "actor_num_nodes", "actor.num_nodes", "colocate_all_models"), _ONE_DEVICE
    ),
    "train.seed": ("seed",),
}
PEERS: Mapping[str, tuple[str, ...]] = {**TRL, **VERL, **OPENRLHF}
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("vllm_", "use_vllm", "vllm.", "sglang", _ROLLOUT, "rollout."), _ENGINE),
    **dict.fromkeys(("fsdp", "ds.", "deepspeed", "ray_", "trainer.", "actor_rollout_ref."), _ONE_DEVICE),
    **dict.fromkeys(("critic.", "value_"), _CRITIC),
    **dict.fromkeys(("wandb", "logger.", "logging_"), _REPORT),
}


def peer_hint(key: str, keys: Collection[str]) -> str:
    """What to use instead of a key of TRL, verl or OpenRLHF, for a command with the ``keys``; empty if it is none of theirs."""
    parent, _, last = key.rpartition(".")
    answers: list[str] = [*_answers(key), *(_answers(last) if parent in keys else ())]
    for answer in answers:
        if answer.startswith("!"):
            return answer[1:]
        if answer.partition(" ")[0] in keys:
            return f"did you mean {answer}?"
    return ""


def is_peer_key(key: str) -> bool:
    """Whether it is a key of theirs."""
    return any(_answers(key))


def _answers(key: str) -> Iterator[str]:
    key = key.replace("-", "_")
    yield from PEERS.get(key, ())
    if key not in PEERS:
        yield from next((answers for prefix, answers in _PREFIXES.items() if key.startswith(prefix)), ())
