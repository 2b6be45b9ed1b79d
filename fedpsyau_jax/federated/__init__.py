"""Federated learning as pure functions over a leading client axis, for any model.

An algorithm is a mixing matrix and a proximal factor (``alias``), and where it must be more, functions that carry their
numbers (``algorithms``). A round has a server's part (``deliver``) and a client's (``client_round``); ``federated``
makes ``init`` and ``step`` of them and of one client's ``local_training``; ``run`` scans over rounds; ``sweep`` stacks
algorithms and repeats.
"""

from fedpsyau_jax.federated import algorithms
from fedpsyau_jax.federated.algorithm import FederatedAlgorithm, FedState, federated, run
from fedpsyau_jax.federated.alias import (
    anchored_at_start,
    centralised,
    fedavg,
    fedprox,
    local_only,
    p_fedprox,
)
from fedpsyau_jax.federated.axes import AxisMap, in_groups, sequential, vectorised
from fedpsyau_jax.federated.client import (
    Broadcast,
    ClientUpdate,
    LossFn,
    keep_state,
    reset_state,
)
from fedpsyau_jax.federated.client_data import ClientData, Identified, num_examples, pooled
from fedpsyau_jax.federated.client_round import ClientRound, Evaluate, Received, Round, client_round
from fedpsyau_jax.federated.evaluation import TrainTest, evaluated, in_chunks, of_tested_models
from fedpsyau_jax.federated.factored import DiagonalPlusOuter, dense
from fedpsyau_jax.federated.groups import GROUPS, label_by_path
from fedpsyau_jax.federated.loops import fori_batches, scan_batches
from fedpsyau_jax.federated.minibatch import Batch, equal_batches, masked_mean
from fedpsyau_jax.federated.mixing import averaging, isolation, mix, personalised
from fedpsyau_jax.federated.participation import with_participation
from fedpsyau_jax.federated.problem import Problem, Representation
from fedpsyau_jax.federated.regularizers import Regularizer, norm_prox, squared_prox
from fedpsyau_jax.federated.server_round import Delivery, deliver, report_round
from fedpsyau_jax.federated.sharding import client_mesh, client_sharding, sharded, state_sharding
from fedpsyau_jax.federated.strategy import Reports, Strategy, keep_group, structure
from fedpsyau_jax.federated.sweep import stacked, sweep
from fedpsyau_jax.federated.training import local_training

__all__ = [
    "GROUPS",
    "AxisMap",
    "Batch",
    "Broadcast",
    "ClientData",
    "ClientRound",
    "ClientUpdate",
    "Delivery",
    "DiagonalPlusOuter",
    "Evaluate",
    "FedState",
    "FederatedAlgorithm",
    "Identified",
    "LossFn",
    "Problem",
    "Received",
    "Regularizer",
    "Reports",
    "Representation",
    "Round",
    "Strategy",
    "TrainTest",
    "algorithms",
    "anchored_at_start",
    "averaging",
    "centralised",
    "client_mesh",
    "client_round",
    "client_sharding",
    "deliver",
    "dense",
    "equal_batches",
    "evaluated",
    "fedavg",
    "federated",
    "fedprox",
    "fori_batches",
    "in_chunks",
    "in_groups",
    "isolation",
    "keep_group",
    "keep_state",
    "label_by_path",
    "local_only",
    "local_training",
    "masked_mean",
    "mix",
    "norm_prox",
    "num_examples",
    "of_tested_models",
    "p_fedprox",
    "personalised",
    "pooled",
    "report_round",
    "reset_state",
    "run",
    "scan_batches",
    "sequential",
    "sharded",
    "squared_prox",
    "stacked",
    "state_sharding",
    "structure",
    "sweep",
    "vectorised",
    "with_participation",
]
