"""The numbers of the published algorithms, as options ``--numbers.NAME`` that can be swept."""

from dataclasses import dataclass
from typing import Annotated

from experiments.inputs.ranges import AMOUNT, RATE, SHARE


@dataclass(frozen=True)
class AlgorithmNumbers:
    """Numbers of algorithms; docs/algorithms.md has their equations.

    Attributes:
      head_epochs: FedRep: of the local epochs, how many train the head only; the others train the rest only.
      ditto_pull: Ditto: lambda, how strongly personal models are drawn to the global one; 0 is local training.
      apfl_share: APFL: alpha, share of the local model in the personal one; 0 is the global model, 1 local training.
      apfl_adaptation: APFL: learning rate of alpha, which each client adapts from apfl-share; 0 keeps it fixed.
      pfedme_pull: pFedMe: lambda, how strongly personal models are drawn to the global one.
      pfedme_rate: pFedMe: eta, so that a round moves the global model by eta lambda of the way to the personal one.
      fedala_rate: FedALA: learning rate of the shares of the global model; 0 is FedAvg.
      server_rate: FedAvgM: learning rate of the server.
      server_momentum: FedAvgM, FedAdam, FedYogi: share of the last step that is kept.
      adaptive_rate: FedAdam, FedYogi: learning rate of the server.
      adaptive_decay: FedAdam, FedYogi: how slowly the mean of squares forgets.
      adaptive_floor: FedAdam, FedYogi: tau, which is added to the root of that mean; larger adapts less.
      feddyn_alpha: FedDyn: factor of its proximal term.
      moon_factor: MOON: mu, factor of the contrast with the client's previous model; 0 is FedAvg.
      moon_temperature: MOON: tau; smaller contrasts harder.
      fedproto_factor: FedProto: lambda, how strongly representations are drawn to the mean of their class; 0 is local
        training.
      fairness: q-FedAvg: q, the exponent of the loss in a client's weight; 0 is FedAvg.
      lipschitz: q-FedAvg: L, in the paper 1 / learning rate of its SGD; larger takes smaller steps.
      adaptation_rate: Per-FedAvg: alpha, length of the personal step; 0 is FedAvg.
    """

    head_epochs: Annotated[int, AMOUNT] = 1
    ditto_pull: Annotated[float, AMOUNT] = 0.1
    apfl_share: Annotated[float, SHARE] = 0.5
    apfl_adaptation: Annotated[float, AMOUNT] = 0.0
    pfedme_pull: Annotated[float, RATE] = 15.0
    pfedme_rate: Annotated[float, AMOUNT] = 0.05
    fedala_rate: Annotated[float, AMOUNT] = 1.0
    server_rate: Annotated[float, RATE] = 1.0
    server_momentum: Annotated[float, SHARE] = 0.9
    adaptive_rate: Annotated[float, RATE] = 0.01
    adaptive_decay: Annotated[float, SHARE] = 0.99
    adaptive_floor: Annotated[float, RATE] = 1e-3
    feddyn_alpha: Annotated[float, RATE] = 0.01
    moon_factor: Annotated[float, AMOUNT] = 1.0
    moon_temperature: Annotated[float, RATE] = 0.5
    fedproto_factor: Annotated[float, AMOUNT] = 1.0
    fairness: Annotated[float, AMOUNT] = 0.1
    lipschitz: Annotated[float, RATE] = 1.0
    adaptation_rate: Annotated[float, AMOUNT] = 0.01
