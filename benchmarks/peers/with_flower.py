"""FedAvg with Flower's simulation: clients in Ray's worker processes, one core each."""

import os
import sys
from itertools import pairwise
from pathlib import Path
from time import perf_counter

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path(__file__).parent)}

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from protocol import read, serve_training
from torch_digits import accuracy, images_of, network, train

FILE = sys.argv[1]


def client_app(file):
    """A client trains the weights that it receives, on the images of its number."""
    app = ClientApp()

    @app.train()
    def fit(message, context):
        problem = read(file)
        images, labels = images_of(problem, int(context.node_config["partition-id"]))
        model = network(problem)
        model.load_state_dict(message.content["arrays"].to_torch_state_dict())
        train(model, images, labels, problem)
        told = {"arrays": ArrayRecord(model.state_dict()), "metrics": MetricRecord({"num-examples": len(labels)})}
        return Message(content=RecordDict(told), reply_to=message)

    return app


def trained(problem):
    """A simulation from its start; rounds are timed at the server."""
    count, times, models = len(problem.images), [], []

    def evaluated(number, arrays):
        times.append(perf_counter())
        models.append(arrays)

    app = ServerApp()

    @app.main()
    def serve(grid, context):
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=count, min_available_nodes=count)
        start = ArrayRecord(network(problem).state_dict())
        strategy.start(grid, start, num_rounds=problem.rounds, evaluate_fn=evaluated)

    one_core = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    run_simulation(app, client_app(FILE), count, backend_config=one_core)
    model = network(problem)
    model.load_state_dict(models[-1].to_torch_state_dict())
    return [after - before for before, after in pairwise(times)], accuracy(model, problem)


if __name__ == "__main__":
    serve_training(trained, ["flwr", "ray", "torch"])
