"""State, pure steps and the training loop; the model, the loss and the optimizer are handed in."""
