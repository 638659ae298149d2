"""A confusion matrix as a picture, such as for TensorBoard."""

import numpy as np

from jaxdl.report.evaluation import Evaluation

LABELLED = 40  # classes, at most, that have room for their names
INCHES = 0.5  # a class


def confusion_picture(evaluation: Evaluation) -> np.ndarray:
    """uint8[H, W, 3]: a row per true class, as fractions of it, darker for more; with few classes, names and counts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    labelled = len(counts) <= LABELLED
    side = INCHES * min(len(counts), LABELLED) + 2
    figure = Figure((side, side), dpi=80, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if labelled:
        names = [name.replace("$", r"\$") for name in evaluation.classes]  # no mathematics in them
        axes.set_xticks(range(len(counts)), names, rotation=90)
        axes.set_yticks(range(len(counts)), names)
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=colour)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
