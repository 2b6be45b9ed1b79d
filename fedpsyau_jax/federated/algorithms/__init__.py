"""Sixteen published algorithms, one a file, each a composition of the parts of ``federated``.

A function takes the clients' weights [clients] (usually numbers of training examples) and the algorithm's numbers, and
returns a ``Strategy``. Every mean over clients is weighted by them, also where a paper writes 1/K: so the objective is
sum_k n_k f_k / N, and equal weights give the paper literally. docs/algorithms.md compares them.
"""

from fedpsyau_jax.federated.algorithms.apfl import apfl
from fedpsyau_jax.federated.algorithms.ditto import ditto
from fedpsyau_jax.federated.algorithms.fedadam import fedadam
from fedpsyau_jax.federated.algorithms.fedala import fedala
from fedpsyau_jax.federated.algorithms.fedavgm import fedavgm
from fedpsyau_jax.federated.algorithms.fedbn import fedbn
from fedpsyau_jax.federated.algorithms.feddyn import feddyn
from fedpsyau_jax.federated.algorithms.fedper import fedper
from fedpsyau_jax.federated.algorithms.fedproto import fedproto
from fedpsyau_jax.federated.algorithms.fedrep import fedrep
from fedpsyau_jax.federated.algorithms.fedyogi import fedyogi
from fedpsyau_jax.federated.algorithms.moon import moon
from fedpsyau_jax.federated.algorithms.per_fedavg import per_fedavg
from fedpsyau_jax.federated.algorithms.pfedme import pfedme
from fedpsyau_jax.federated.algorithms.q_fedavg import q_fedavg
from fedpsyau_jax.federated.algorithms.scaffold import scaffold

__all__ = [
    "apfl",
    "ditto",
    "fedadam",
    "fedala",
    "fedavgm",
    "fedbn",
    "feddyn",
    "fedper",
    "fedproto",
    "fedrep",
    "fedyogi",
    "moon",
    "per_fedavg",
    "pfedme",
    "q_fedavg",
    "scaffold",
]
