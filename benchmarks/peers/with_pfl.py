"""FedAvg with pfl's simulation, in one process."""

from itertools import pairwise
from time import perf_counter

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from protocol import serve_training
from torch.nn import functional
from torch_digits import accuracy, images_of, network


class Model(torch.nn.Module):
    """The network with what pfl asks of it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return self.inner(images)

    def loss(self, images, labels, eval=False):
        self.train(not eval)
        return functional.cross_entropy(self(images), labels)

    @torch.no_grad()
    def metrics(self, images, labels):
        return {"loss": Weighted(self.loss(images, labels, eval=True).item() * len(labels), len(labels))}


class Clock(TrainingProcessCallback):
    """When each round ended."""

    def __init__(self):
        self.times = [perf_counter()]

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self.times.append(perf_counter())
        return False, Metrics()


class Shuffled(PyTorchTensorDataset):
    """A client's images in another order each epoch."""

    def iter(self, batch_size):
        order = torch.randperm(len(self.raw_data[1]))
        for batch in order.split(batch_size or len(order)):
            yield [tensor[batch] for tensor in self.raw_data]


def trained(problem):
    """All rounds, each with all clients."""
    count = len(problem.images)
    shared = Model(network(problem))
    model = PyTorchModel(shared, torch.optim.SGD, torch.optim.SGD(shared.parameters(), lr=1.0))
    clients = {str(client): images_of(problem, client) for client in range(count)}
    sampler = get_user_sampler("minimize_reuse", list(clients))
    users = FederatedDataset(lambda user: Shuffled(tensors=clients[user], user_id=user), sampler)
    clock = Clock()
    FederatedAveraging().run(
        NNAlgorithmParams(problem.rounds, problem.rounds + 1, count, 0),
        SimulatedBackend(training_data=users, val_data=users),
        model,
        NNTrainHyperParams(
            local_num_epochs=problem.epochs, local_learning_rate=problem.rate, local_batch_size=problem.batch
        ),
        NNEvalHyperParams(local_batch_size=None),
        [clock],
    )
    seconds = [after - before for before, after in pairwise(clock.times)]
    return seconds, accuracy(shared.inner, problem)


if __name__ == "__main__":
    serve_training(trained, ["pfl", "torch"])
