"""What every subject of the benchmark has in common: its file, and its answers to mistakes."""

import pytest

from experiments.benchmark import record
from experiments.benchmark.__main__ import main
from jaxdl.errors import UserError


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path):
    (tmp_path / "there.json").write_text("kept")
    with pytest.raises(UserError, match=r"could not be written to .*there\.json: File exists"):
        record.write(tmp_path / "there.json", {})
    assert (tmp_path / "there.json").read_text() == "kept"


def test_mistakes_end_with_status_2_and_a_line(tmp_path, picture_folder, capsys):
    (tmp_path / "there.json").write_text("")
    out = str(tmp_path / "new.json")
    for argv, says in (
        (["--subject", "trian"], "Did you mean train"),
        (["--model", "resnet-18"], "unknown model 'resnet-18'. Did you mean resnet18?"),
        (["--model", "vgg11"], "Known: cifar_cnn, lraspp, quick_cnn, resnet18, speed_cnn."),
        (["--model", ","], "--model names nothing"),
        (["--contestants", "jaxdl,pytorhc"], "unknown contestant 'pytorhc'. Did you mean pytorch?"),
        (["--subject", "input", "--contestants", "flax"], "Known: jaxdl, torchvision."),
        (["--subject", "input", "--model", "cifar_cnn"], "--model is not for --subject input"),
        (["--subject", "start", "--seconds", "1"], "--seconds is not for --subject start"),
        (["--target", "0.5"], "--target is not for --subject train"),
        (["--subject", "accuracy", "--rounds", "3"], "--rounds is not for --subject accuracy"),
        (["--subject", "accuracy", "--contestants", "quikc:4"], "unknown contestant 'quikc'. Did you mean quick?"),
        (["--subject", "accuracy", "--contestants", "quick:0"], "quick:0: after the colon comes a number of epochs"),
        (["--contestants", "jaxdl:4"], "unknown contestant 'jaxdl:4'. Did you mean jaxdl?"),
        (["--subject", "accuracy", "--data-dir", str(tmp_path / "no")], "is not a folder"),
        (["--subject", "accuracy", "--dataset", "folder"], "needs --data-dir"),
        (["--subject", "accuracy", "--dataset", "folder", "--data-dir", str(picture_folder)], "and this data has 2."),
        (["--subject", "accuracy", "--target", "1"], "--target must be less than 1"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0."),
        (["--seconds", "0"], "--seconds must be greater than 0"),
        (["--threads", "100000"], "--threads must be at most"),
        (["--precision", "f16"], "unknown precision 'f16'"),
        (["--round", "3"], "Did you mean --rounds"),
        (["--out", str(tmp_path / "there.json")], "nothing is overwritten"),
        (["--out", str(tmp_path / "absent" / "x.json")], "there is no folder"),
        (["resnet18"], "unexpected argument 'resnet18'"),
    ):
        assert main([*argv] if "--out" in argv else [*argv, "--out", out]) == 2
        error = capsys.readouterr().err
        assert says in error, argv
        assert len(error.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"there.json", "pictures"}
