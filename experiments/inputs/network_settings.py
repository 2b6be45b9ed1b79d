"""Settings of the network and of the pretraining of its AU detector.

Their docstrings are the texts of ``--help``.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from experiments.inputs.ranges import AMOUNT, COUNT, RATE, SHARE

if TYPE_CHECKING:
    from fedpsyau_jax.models.fedpsyau import Architecture

Variant = Literal["full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat"]
PRIORS = ("published", "co-occurrence", "uniform", "shuffled", "none")


@dataclass(frozen=True)
class NetworkSettings:
    """Architecture and prior of the network.

    Attributes:
      variant: The full network, or one of the authors' ablations.
      attention: What the transformer attends over: landmarks (ours), or the batch, as released.
      masking: What a node's softmax runs over: its neighbours (ours), or all nodes, as released.
      prior: Priors of action units: published, co-occurrence, uniform, shuffled, none, or your own as module:function;
        with several, every row of the table trains with each, in the one compiled program.
      prior_ratio: Strength of the prior, in [0, 1]; it is multiplied by the variant's beta.
    """

    variant: Variant = "full"
    attention: Literal["landmarks", "batch"] = "landmarks"
    masking: Literal["neighbours", "released"] = "neighbours"
    prior: Annotated[tuple[str, ...], tyro.conf.arg(prefix_name=False)] = ("published",)
    prior_ratio: Annotated[float, SHARE] = 0.3

    def architecture(self) -> "Architecture":
        """The architecture with these choices."""
        from fedpsyau_jax.models.fedpsyau import VARIANTS
        from fedpsyau_jax.priors import neighbours, released

        masking = {"neighbours": neighbours, "released": released}[self.masking]
        return replace(VARIANTS[self.variant], across_batch=self.attention == "batch", masking=masking)


@dataclass(frozen=True)
class AblatedNetworkSettings(NetworkSettings):
    """What all networks of an ablation share.

    Attributes:
      variant: Not an option: ``--variants`` names the networks.
      prior: Priors of action units: every variant with graph attention trains with each.
    """

    variant: tyro.conf.Suppress[Variant] = "full"
    prior: Annotated[tuple[str, ...], tyro.conf.arg(prefix_name=False)] = PRIORS


@dataclass(frozen=True)
class PretrainingSettings:
    """How the AU detector is pretrained, on subjects that are in no federation.

    Attributes:
      epochs: Passes over the pretraining set.
      batch: Maximum batch size; all batches have the same size.
      learning_rate: Learning rate of AdamW, after a warm-up of one epoch; it decays to 0 along a cosine.
      weight_decay: Weight decay of AdamW.
    """

    epochs: Annotated[int, COUNT] = 32
    batch: Annotated[int, COUNT] = 16
    learning_rate: Annotated[float, RATE] = 2e-3
    weight_decay: Annotated[float, AMOUNT] = 0.01
