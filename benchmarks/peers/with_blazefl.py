"""FedAvg with BlazeFL's handler and trainer, in one thread: its threads need a Python without the interpreter lock."""

from time import perf_counter

import torch
from blazefl.contrib import FedAvgBaseClientTrainer, FedAvgBaseServerHandler
from protocol import serve_training
from torch_digits import accuracy, images_of, network

SEED = 0


class Shuffled:
    """A client's images in batches, in another order each epoch."""

    def __init__(self, images, labels, size):
        self.images, self.labels, self.size = images, labels, size

    def __iter__(self):
        for batch in torch.randperm(len(self.labels)).split(self.size):
            yield self.images[batch], self.labels[batch]


class Clients:
    """What BlazeFL asks of data in parts: the batches of a client."""

    def __init__(self, problem):
        self.parts = [images_of(problem, client) for client in range(len(problem.images))]

    def get_dataloader(self, type_, cid, batch_size, generator):
        return Shuffled(*self.parts[cid], batch_size)


class Start:
    """What BlazeFL asks of a choice of networks: the one to start from."""

    def __init__(self, problem):
        self.problem = problem

    def select_model(self, name):
        return network(self.problem)


def trained(problem):
    """All rounds, each with all clients."""
    count, data, start = len(problem.images), Clients(problem), Start(problem)
    server = FedAvgBaseServerHandler(
        start, problem.network, data, problem.rounds, count, 1.0, "cpu", problem.batch, SEED
    )
    clients = FedAvgBaseClientTrainer(
        start, problem.network, data, "cpu", count, problem.epochs, problem.batch, problem.rate, SEED
    )
    seconds = []
    while not server.if_stop():
        begun = perf_counter()
        clients.local_process(server.downlink_package(), server.sample_clients())
        for package in clients.uplink_package():
            server.load(package)
        seconds.append(perf_counter() - begun)
    return seconds, accuracy(server.model, problem)


if __name__ == "__main__":
    serve_training(trained, ["blazefl", "torch"])
