"""Transfer learning as a person does it: train, take away, replace the head, freeze the rest, train on others."""

import json
import tarfile
from pathlib import Path, PurePosixPath

import jax
import numpy as np
import pytest

from jaxdl.commands.export import main as export
from jaxdl.commands.train import main
from jaxdl.run import finished_run
from jaxdl.saved_model import load_model
from jaxdl.variables import flat
from tests.commands.short_run import ROOT

PICTURES = ROOT.parent / "shared" / "data" / "cifar10-jpeg.tar.xz"
FIRST = ("airplane", "automobile", "bird", "cat", "deer")
SECOND = ("frog", "horse", "ship")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of real photographs in other classes: 300 a class to train, 100 to test."""
    if not PICTURES.exists():
        pytest.skip("the CIFAR-10 photographs as JPEG files are not here")
    root = tmp_path_factory.mktemp("photographs")
    with tarfile.open(PICTURES) as archive:
        taken = {}
        for member in archive:
            *_, split, name, file = ("", "", *PurePosixPath(member.name).parts)
            most = {"train": 300, "test": 100}.get(split)
            part = "first" if name in FIRST else "second"
            if not member.isfile() or most is None or name not in FIRST + SECOND or taken.get((split, name), 0) >= most:
                continue
            taken[split, name] = taken.get((split, name), 0) + 1
            path = Path(root, part, split, name, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())
    assert sum(taken.values()) == 400 * len(FIRST + SECOND)
    return root / "first", root / "second"


@pytest.mark.slow
def test_a_new_head_learns_other_pictures_while_the_rest_stays_bitwise(folders, tmp_path, capsys):
    flags = ["--dataset", "folder", "--model", "quick_cnn", "--val-size", "0", "--epochs", "8"]
    first, second, net = tmp_path / "first", tmp_path / "second", tmp_path / "net"
    assert main([*flags, "--data-dir", str(folders[0]), "--out", str(first)]) == 0
    assert export([str(first), "--out", str(net)]) == 0
    capsys.readouterr()
    transfer = ["--pretrained", str(net), "--freeze", "backbone"]
    assert main([*flags, *transfer, "--data-dir", str(folders[1]), "--out", str(second)]) == 0
    out = capsys.readouterr().out
    assert "Dense_0 for other classes: starts anew" in out
    assert "271,907 parameters, 387 of them trained" in out
    before, after = flat(load_model(net).variables), flat(finished_run.load(str(second)).variables)
    changed = {path for path in before if np.asarray(before[path]).tobytes() != np.asarray(after[path]).tobytes()}
    assert changed == {("params", "Dense_0", "kernel"), ("params", "Dense_0", "bias")}
    assert json.loads((second / "summary.json").read_text())["test_accuracy"] > 0.6  # a guess has a third
    assert len(jax.tree.leaves(after)) == len(jax.tree.leaves(before))
