"""Only what pyproject.toml cannot say: a wheel carries `recipes/` inside the package, as `dunwu/recipes/` (docs/decisions/0001)."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Copies the recipes beside the built modules; an editable install finds them at the root of the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for recipe in sorted(Path("recipes").rglob("*.yaml")):
            target = Path(self.build_lib, "dunwu", recipe)
            self.mkpath(str(target.parent))
            self.copy_file(str(recipe), str(target))


setup(cmdclass={"build_py": BuildWithRecipes})
