"""Of several networks in a file one is taken and said, or has to be named."""

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, safetensors
from tests.transfer.wrapped import OTHER, STATE, assert_is, loaded, saved, under

TWICE = {
    "two dicts": (lambda: {"student": under("module.", OTHER), "teacher": under("module.")}, "student", "teacher"),
    "in one": (lambda: {**under("student.", OTHER), **under("teacher.module.")}, "student", "teacher"),
    "an average in one": (lambda: {**under("model.", OTHER), **under("model_ema.module.")}, "model", "model_ema"),
    "wrapper": (lambda: {**under("online_model.", OTHER), **under("ema_model.")}, "online_model", "ema_model"),
    "at the top": (lambda: {**OTHER, **under("ema.")}, "raw", "ema"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(TWICE))
def test_network_that_is_there_twice_is_a_choice_unless_one_is_an_average(name, tmp_path):
    content, first, second = TWICE[name]
    path = saved(content(), tmp_path / "weights.pth")
    if first == "student":
        with pytest.raises(UserError) as raised:
            loaded(path)
        ways = (f"{first} or weights_key {second}", f"{second} or weights_key {first}")
        assert any(way in str(raised.value) for way in ways)
    else:  # the trained weights are taken before an average of them, which is said
        variables, choice = loaded(path)
        assert_is(variables, OTHER)
        assert f"weights_key {second}" in choice.remarks()[0]
    assert_is(loaded(path, first)[0], OTHER)
    assert_is(loaded(path, second)[0], STATE)
    if first != "student":
        assert_is(loaded(path, "raw")[0], OTHER)
        assert_is(loaded(path, "ema")[0], STATE)


AVERAGES = [
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "shadow_params",
    "params_ema",
    "netEMA",
    "swa_model",
]


@pytest.mark.parametrize("key", AVERAGES)
def test_trained_weights_are_taken_before_their_average_and_that_is_said(key, tmp_path):
    path = saved({key: OTHER, "state_dict": STATE}, tmp_path / "weights.pth")
    variables, choice = loaded(path)
    assert_is(variables, STATE)
    assert choice.remarks() == [f"weights of 'state_dict'; '{key}' is there too: weights_key {key}"]
    np.testing.assert_array_equal(load_weights(path)["conv.weight"], STATE["conv.weight"])
    for asked, expected in (("raw", STATE), ("ema", OTHER), (key, OTHER)):
        assert_is(loaded(path, asked)[0], expected)
        np.testing.assert_array_equal(load_weights(path, asked)["conv.weight"], expected["conv.weight"])


def test_student_and_teacher_are_a_choice_without_a_network_too(tmp_path):
    path = saved({"student": under("module."), "teacher": under("module.", OTHER)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"2 state dicts of one network\. Name one as key: 'student' or 'teacher'"):
        load_weights(path)
    with pytest.raises(UserError, match=r"no state dict under the key 'assistant'\. Keys: 'student', 'teacher'"):
        loaded(path, "assistant")


def test_safetensors_have_prefixes_and_choices_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    state, other = ({name: held.numpy() for name, held in each.items()} for each in (STATE, OTHER))
    safetensors.write(path, under("model.", state), {"format": "pt"})
    assert_is(loaded(path)[0], STATE)
    safetensors.write(path, under("student.", state) | under("teacher.", other))
    with pytest.raises(UserError, match="weights_key student or weights_key teacher"):
        loaded(path)
    assert_is(loaded(path, "teacher")[0], OTHER)
    with pytest.raises(UserError, match=r"under the key 'ema'\. Keys: 'student', 'teacher'"):
        loaded(path, "ema")
