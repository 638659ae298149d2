"""Packages that import what they export when it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.lazy import Table

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(
    ".".join(path.relative_to(ROOT).parts[:-1])
    for path in (ROOT / "jaxdl").rglob("__init__.py")
    if "__getattr__" in path.read_text()
)


def told_to_type_checkers(package):
    """The names that a package imports under TYPE_CHECKING, with their modules."""
    source = Path(importlib.import_module(package).__file__).read_text()
    [block] = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    return {alias.name: node.module for node in block.body for alias in node.names}


def test_there_are_such_packages():
    assert {"jaxdl.losses", "jaxdl.models", "jaxdl.optim", "jaxdl.train.parallel"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_those_that_type_checkers_are_told(package):
    module, told = importlib.import_module(package), told_to_type_checkers(package)
    assert set(told) <= set(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if name in told:
            assert value is getattr(importlib.import_module(told[name]), name)
        assert not Path(module.__file__).with_name(f"{name}.py").exists(), "its import would take the name's place"


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_names_and_modules_are_listed_and_there_before_they_are_used(package):
    program = f"""
import {package} as package
listed = dir(package)
assert not set(package.__all__) - set(listed), set(package.__all__) - set(listed)
for name in listed:
    getattr(package, name)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_listing_names_imports_nothing():
    program = (
        f"import sys, {', '.join(PACKAGES)}; "
        "print(len(jaxdl.models.names()), list(jaxdl.losses.BY_NAME), jaxdl.optim.OPTIMIZERS, "
        "{'jax', 'flax', 'optax', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("set()"), done.stdout


def test_a_table_is_a_mapping_of_what_it_imports():
    table = Table("os", {"join": "path.join", "split": "path.split"})
    from os import path

    assert dict(table) == {"join": path.join, "split": path.split}
    assert "join" in table
    assert "rejoin" not in table
    assert table.get("rejoin") is None
