"""The networks for digits in PyTorch, and training on one client's images, plainly."""

import numpy as np
import torch
from protocol import batches
from torch import nn
from torch.nn import functional


def network(problem):
    """The network with the weights to start from."""
    model = _mlp() if problem.network == "mlp" else _cnn()
    model.load_state_dict({name: torch.tensor(array) for name, array in state(problem).items()})
    return model


def _mlp():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def _cnn():
    pixels = nn.Unflatten(1, (1, 8, 8))
    return nn.Sequential(pixels, nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10))


def state(problem):
    """The weights in PyTorch's order: outputs first, channels before pixels."""
    given = problem.weights
    last = {"bias": given["out_bias"], "weight": given["out"].T}
    if problem.network == "mlp":
        first = {"0.weight": given["hidden"].T, "0.bias": given["hidden_bias"]}
        return first | {f"2.{name}": array for name, array in last.items()}
    kernel = given["kernel"].reshape(3, 3, 16).transpose(2, 0, 1)[:, None]
    last["weight"] = given["out"].reshape(3, 3, 16, 10).transpose(3, 2, 0, 1).reshape(10, 144)
    return {"1.weight": kernel, "1.bias": given["kernel_bias"]} | {f"5.{name}": array for name, array in last.items()}


def images_of(problem, client):
    """Of one client, with labels."""
    return torch.tensor(problem.images[client]), torch.tensor(problem.labels[client]).long()


def train(model, images, labels, problem):
    """One round of one client: its epochs, in place."""
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.rate)
    model.train()
    for _ in range(problem.epochs):
        for batch in batches(torch.randperm(len(labels)), problem.batch):
            optimizer.zero_grad()
            functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()


def accuracy(model, problem):
    """On the test images."""
    model.eval()
    with torch.no_grad():
        found = model(torch.tensor(problem.test_images)).argmax(1).numpy()
    return np.mean(found == problem.test_labels)
