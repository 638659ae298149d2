"""Docstrings: every public name has one, and its first word says what it returns or does."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "jaxdl").rglob("*.py"))
FILES = [*LIBRARY, *sorted((ROOT / "experiments").rglob("*.py"))]
DEFINITIONS = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_public_names_have_docstrings(path):
    module = ast.parse(path.read_text())
    public = [node for node in module.body if isinstance(node, DEFINITIONS) and not node.name.startswith("_")]
    assert [getattr(node, "name", "the module") for node in (module, *public) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_docstrings_do_not_begin_with_what(path):
    """``What the flags say`` names nothing that a reader could look for; ``Flags of a run`` does."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DEFINITIONS | ast.Module)]
    found = [(getattr(node, "name", "the module"), ast.get_docstring(node) or "") for node in nodes]
    assert [name for name, text in found if text.split()[:1] == ["What"]] == []
