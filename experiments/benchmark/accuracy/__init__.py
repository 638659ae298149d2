"""Seconds of training to an accuracy, beside the course's own program."""

COURSE = "pytorch"  # the course's own program, to which the others are compared
USUAL = (COURSE, "pytorch_tuned", "course", "quick")  # who takes part unless others are named
FLAGS = {"accuracy": ("contestants", "precision", "dataset", "data_dir", "target", "seeds", "budget", "threads")}
CONTESTANTS = {
    "accuracy": {
        COURSE: "learn_pytorch.Program",
        "pytorch_tuned": "learn_pytorch.Tuned",
        "airbench94": "learn_airbench94.Method",
        "airbench94-compile": "learn_airbench94.Compiled",
    }
}
RECIPE = "learn_recipe.Recipe"  # every other name is a recipe's
