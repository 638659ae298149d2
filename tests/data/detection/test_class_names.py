"""Names of classes from YAML, against PyYAML where it is installed, and from lines."""

import pytest

from jaxdl.data.detection import class_names
from jaxdl.errors import UserError

LISTS = [
    "names: [cat, dog]",
    "names:   ['cat', \"dog\"]  # two\nnc: 2",
    "train: ../train/images\nnc: 2\nnames:\n- cat\n- dog\n",
    "names:\n  - cat  # meows\n  # barks\n\n  - dog\nval: x\n",
    "names:\n  0: cat\n  1: dog\n",
    "names: # map\n  1: 'dog'\n  0: \"cat\"\nnc: 2 # of them\n",
    "names: {0: cat, 1: dog}\n",
    "names: [\n  cat, # one\n  'dog',\n]\n",
    "\ufeffnames: [cat,\n  dog]\r\nroboflow:\r\n  license: CC\r\n",
    "path: names\nnames :\n - cat\n - dog",
]
ODD = [
    "names: ['it''s', \"a \\\"b\\\"\", c d, e-f, g#h, 'i, j', x:y]",
    "names:\n- person, sitting\n- traffic light\n- 'k: l'\n- m#n\n- a:b",
    "names: {0: 'a:b', 1: c d}",
]
NONE = [
    *("", "nc: 2", "names:", "names: cat", "names: []", "names: [cat, ''", "names: [[cat], dog]", "names: [cat, cat]"),
    *("names: {0: cat, 2: dog}", "names: {a: cat}", "names: {cat, dog}", "names: &a [cat]\n", "names: ['', cat]"),
    *(
        "names:\n  0: cat\n  0: dog",
        "names:\n  - cat\n  1: dog",
        "names:\n  - [cat]",
        "names:\n  - *cat",
        "names: |\n  cat",
    ),
    *("names: [cat, dog]\nnc: 3", "names: [cat dog", "names: {0 cat}", "names:\n  cat: 0", f"names:\n- {'a ' * 1000}:"),
    *("  names: [cat]", "names: [cat\ttac: x]]", "names: [a,,b]", "names: {0: }"),
]


def read(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(text)
    return class_names.in_yaml(path)


@pytest.mark.parametrize("text", LISTS)
def test_names_are_read_from_the_forms_of_yaml_in_use(tmp_path, text):
    assert read(tmp_path, text) == ("cat", "dog")


@pytest.mark.parametrize("text", [*LISTS, *ODD])
def test_names_are_those_that_pyyaml_reads(tmp_path, text):
    yaml = pytest.importorskip("yaml")
    names = yaml.safe_load(text.lstrip("\ufeff"))["names"]
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    assert read(tmp_path, text) == tuple(names)


@pytest.mark.parametrize("text", NONE)
def test_names_that_are_not_understood_are_refused(tmp_path, text):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["names: [" + "[" * 10**6, "names:\n- a" + " " * 10**6 + ":", "names: " + " \n#" * 300_000]
)
def test_hostile_names_are_refused_at_once(tmp_path, text):
    with pytest.raises(UserError):
        read(tmp_path, text)


def test_lines_are_names_and_no_line_may_be_empty_or_there_twice(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\ufeff cat \ndog\x1b\n\n\n", encoding="utf-8")
    assert class_names.in_lines(path) == ("cat", "dog\\x1b")
    for text in ("", "\n\n", "cat\n\ndog", "cat\ncat"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"classes.txt"):
            class_names.in_lines(path)
