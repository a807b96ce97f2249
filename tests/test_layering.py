"""Imports point down only, light parts stay light, and what is dangerous stays out. All by reading the source, function bodies included."""

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "dunwu"

LAYERS = {
    "config": 0,
    "process": 0,
    "text": 0,
    "run": 1,
    "tasks": 1,
    "sandbox": 1,
    "verifiers": 2,
    "models": 2,
    "rewards": 3,
    "rollout": 3,
    "distributed": 3,
    "algorithms": 4,
    "data": 4,
    "trainers": 5,
    "evaluation": 5,
    "jobs": 6,
    "pipeline": 7,
    "serving": 6,
    "analysis": 6,
    "api": 8,
    "cli": 9,
}
"""The design's layers; the modules at the root are layer 0, but for `api.py`, the door for Python beside the command line."""

DRAWN = {
    ("verifiers", "dunwu.models.thinking"),  # where the answer begins; light, no model in it
    ("jobs", "dunwu.analysis.report"),  # a run ends with its report
    ("jobs", "dunwu.analysis.live"),  # and keeps it up to date while it trains
    ("jobs", "dunwu.analysis.pairs"),  # and shows on the terminal what the report shows, by the same rule
    ("jobs", "dunwu.analysis.sentences"),
    ("jobs", "dunwu.analysis.model_card"),  # a release has its card
    ("jobs", "dunwu.analysis.model_history"),
}
"""Same-layer imports between packages that the design allows."""
PUBLIC = "__init__.py"
"""What `import dunwu` gives: names of all layers, imported when they are asked for and, so that type checkers see them, in name only."""

LIGHT = ("", "text", "process", "run", "config", "tasks", "sandbox", "verifiers", "rewards", "analysis")
HEAVY = {"torch", "transformers", "vllm", "ray", "accelerate", "peft"}
ONE_FILE = ("vllm", "ray", "peft", "accelerate")
# From the trainer to a process it has started itself, never the other way and never from a file: see rewards/worker_process.py.
TRUSTED_TRANSPORT = {"rewards/pool.py", "rewards/worker_process.py", "rewards/worker.py"}
UNPICKLING = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
DOORS = {"verifiers/math/__init__.py", "verifiers/code/__init__.py", "verifiers/text/__init__.py"}
"""Rooms whose package gives the function that others want of it."""
BUILTIN_RUNNERS = {"eval", "exec", "compile", "__import__"}
# The process that a program of a model is run in, after it has been locked in.
RUNS_PROGRAMS = "sandbox/inside/child.py"
PRINTERS = {"run/console.py", RUNS_PROGRAMS, "verifiers/math/plain.py"}
"""Beside the command line: the reporter of the terminal, and child processes whose stdout is theirs."""
PRINTING = {"print", "rich.print", "rich.get_console", "rich.console.Console", "Console", "sys.stdout.write", "sys.stderr.write"}


@dataclass(frozen=True)
class Module:
    """One source file: its path inside the package and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """First folder inside `dunwu`, or `api`; empty for the other modules at the root."""
        if self.path == "api.py":
            return "api"
        return self.path.split("/")[0] if "/" in self.path else ""

    @property
    def imports(self) -> Iterator[str]:
        """Dotted names of everything imported, anywhere in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: a relative import, write the whole name"
                assert node.module is not None
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path: str, text: str) -> Module:
    return Module(path, ast.parse(text))


def all_modules() -> list[Module]:
    return [module(path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))]


def layer(package: str) -> int:
    return LAYERS.get(package, 0)


def package_of(name: str) -> str:
    """The package inside `dunwu` that a dotted name belongs to; empty for modules at the root."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else ""


def upward_imports(found: Module) -> list[str]:
    wrong = []
    for name in found.imports if found.path != PUBLIC else ():
        if name.split(".")[0] != "dunwu" or package_of(name) == found.package:
            continue
        above = layer(package_of(name)) - layer(found.package)
        drawn = any(found.package == package and f"{name}.".startswith(f"{target}.") for package, target in DRAWN)
        if above > 0 or (above == 0 and layer(found.package) > 0 and not drawn):
            wrong.append(f"{found.path} imports {name}")
    return wrong


def circles(modules: list[Module]) -> list[str]:
    """Modules that import each other in a circle, function bodies included."""
    names = {"dunwu." + each.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): each for each in modules}
    needs = {name: {target for full in each.imports if (target := _module_of(full, names))} for name, each in names.items()}
    while free := [name for name, targets in needs.items() if not targets & needs.keys() - {name}]:
        for name in free:
            del needs[name]
    return sorted(name for name, targets in needs.items() if targets)


def _module_of(full: str, names: Container[str]) -> str | None:
    return next((name for name in (full, full.rpartition(".")[0]) if name in names), None)


def heavy_imports(found: Module) -> list[str]:
    if found.package not in LIGHT:
        return []
    return [f"{found.path} imports {name}" for name in found.imports if name.split(".")[0] in HEAVY]


def catch_alls(found: Module) -> list[str]:
    handlers = [node for node in ast.walk(found.tree) if isinstance(node, ast.ExceptHandler)]
    return [f"{found.path}:{node.lineno}" for node in handlers if _catches_all(node)]


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if any(isinstance(node, ast.Raise) and node.exc is None for node in handler.body):
        return False  # cleans up and lets the error through
    return any(isinstance(name, ast.Name) and name.id in ("Exception", "BaseException") for name in names)


def dangers(found: Module) -> list[str]:
    unpickling = {name for name in found.imports if name.split(".")[0] in UNPICKLING and found.path not in TRUSTED_TRANSPORT}
    wrong = [f"{found.path} imports {name}" for name in sorted(unpickling)]
    for node in ast.walk(found.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).removeprefix("builtins.")
        if called in BUILTIN_RUNNERS and found.path != RUNS_PROGRAMS:
            wrong.append(f"{found.path}:{node.lineno} calls {called}")
        if ast.unparse(node.func) == "torch.load":
            wrong.append(f"{found.path}:{node.lineno} calls torch.load")
    return wrong


def prints(found: Module) -> list[str]:
    """Calls that write to the terminal: the library says everything through the reporter it was handed."""
    if found.package == "cli" or found.path in PRINTERS:
        return []
    calls = [node for node in ast.walk(found.tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING]
    return [f"{found.path}:{node.lineno} calls {ast.unparse(node.func)}" for node in calls]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(all_modules()) == []
    toy = [module(f"{one}.py", f"def f():\n    from dunwu.{other} import x") for one, other in ("ab", "bc", "ca", "da")]
    assert circles(toy) == ["dunwu.a", "dunwu.b", "dunwu.c", "dunwu.d"], "and what depends on one"


def test_imports_point_down() -> None:
    assert [line for found in all_modules() for line in upward_imports(found)] == []


def test_every_package_has_a_layer() -> None:
    packages = {found.package for found in all_modules()} - {""}
    assert packages <= LAYERS.keys()


def test_light_parts_import_nothing_heavy() -> None:
    assert [line for found in all_modules() for line in heavy_imports(found)] == []


@pytest.mark.parametrize("library", ONE_FILE)
def test_an_engine_or_cluster_library_is_imported_in_one_file(library: str) -> None:
    users = [found.path for found in all_modules() if any(name.split(".")[0] == library for name in found.imports)]
    assert len(users) <= 1


def test_algorithms_see_torch_and_layer_0_only() -> None:
    for found in all_modules():
        if found.package == "algorithms":
            outside = {package_of(name) for name in found.imports if name.startswith("dunwu.")} - {"", "config", "algorithms"}
            assert outside == set(), found.path


def test_one_helper_catches_everything() -> None:
    assert [place.partition(":")[0] for found in all_modules() for place in catch_alls(found)] in ([], ["process/attempt.py"])


def test_the_library_does_not_print() -> None:
    assert [line for found in all_modules() for line in prints(found)] == []


def test_nothing_runs_or_unpickles_text() -> None:
    assert [line for found in all_modules() for line in dangers(found)] == []


def test_packages_import_nothing_themselves() -> None:
    for found in all_modules():
        if found.path.endswith("/__init__.py"):
            assert found.path in DOORS or list(found.imports) == [], found.path
            assert ast.get_docstring(found.tree), found.path


def test_files_and_functions_stay_within_the_hard_caps() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, f"{path.name} is longer than 400 lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno <= 100, f"{path.name}: {node.name} is longer than 100 lines"


@pytest.mark.parametrize(
    ("path", "text", "wrong"),
    [
        ("tasks/a.py", "from dunwu.types import Problem", False),
        ("tasks/a.py", "from dunwu.tasks.base import Task", False),
        ("tasks/a.py", "def f():\n    from dunwu.verifiers.verify import verify", True),
        ("tasks/a.py", "import dunwu.trainers.grpo", True),
        ("types.py", "from dunwu.config.zero import ZeroConfig", False),
        ("types.py", "from dunwu.tasks.base import Task", True),
        ("rollout/a.py", "from dunwu.rewards.rules import x", True),
        ("verifiers/a.py", "from dunwu.models.thinking import parse_completion", False),
        ("verifiers/a.py", "from dunwu.models.loading import load", True),
        ("cli/a.py", "from dunwu.jobs.zero import run_zero", False),
    ],
)
def test_the_layer_check_sees(path: str, text: str, wrong: bool) -> None:
    assert bool(upward_imports(module(path, text))) == wrong


@pytest.mark.parametrize(
    ("check", "path", "text", "wrong"),
    [
        (heavy_imports, "tasks/a.py", "def f():\n    import torch.nn", True),
        (heavy_imports, "errors.py", "from transformers import x", True),
        (heavy_imports, "trainers/a.py", "import torch", False),
        (catch_alls, "a.py", "try:\n    f()\nexcept Exception:\n    pass", True),
        (catch_alls, "a.py", "try:\n    f()\nexcept:\n    pass", True),
        (catch_alls, "a.py", "try:\n    f()\nexcept (ValueError, BaseException):\n    pass", True),
        (catch_alls, "a.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise", False),
        (catch_alls, "a.py", "try:\n    f()\nexcept ValueError:\n    pass", False),
        (dangers, "a.py", "x = eval('1')", True),
        (dangers, "a.py", "import builtins\nbuiltins.exec('1')", True),
        (dangers, "sandbox/inside/child.py", "import builtins\nbuiltins.exec('1')", False),
        (dangers, "a.py", "model.eval()", False),
        (dangers, "a.py", "import re\nre.compile('x')", False),
        (dangers, "a.py", "from pickle import loads", True),
        (dangers, "a.py", "torch.load('x', weights_only=True)", True),
        (prints, "trainers/a.py", "def f():\n    print('x')", True),
        (prints, "jobs/a.py", "import rich\nrich.print(1)", True),
        (prints, "jobs/a.py", "reporter.say('x')", False),
        (prints, "cli/a.py", "print('x')", False),
    ],
)
def test_the_other_checks_see(check: object, path: str, text: str, wrong: bool) -> None:
    assert callable(check)
    assert bool(check(module(path, text))) == wrong
