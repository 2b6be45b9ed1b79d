"""FED-PsyAU as `Model`s: AU detector (LRM + AFR), emotion classifier (DSI), and both in one network.

This is the only module that connects Flax to the rest of the package.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.models.afr import AUFeatures, AUPrediction
from fedpsyau_jax.models.attention import Attention
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.models.dropout import DRAWS, drawn
from fedpsyau_jax.models.dsi import DSI
from fedpsyau_jax.models.lrm import LocalFeatures, SpatialEncoder
from fedpsyau_jax.priors import Masking, Prior, Priors, neighbours
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Examples,
    Float,
    Int,
    Model,
    ModelState,
    Params,
    PRNGKeyArray,
)


@dataclass(frozen=True)
class Architecture:
    """The parts of the network and their settings; the default is the full network.

    Attributes:
      transformer: Whether landmarks attend to each other (SSE).
      regional: Whether the upper and the lower face each have a DPK-GAT.
      global_: Whether the whole face has a DPK-GAT.
      beta: Share of the prior in the attention at prior ratio 1.
      across_batch: Attend across the samples of a batch, as released, instead of across landmarks.
      masking: Which nodes a node's softmaxes run over: `priors.neighbours`, or `priors.released`.

    >>> VARIANTS["global-only"] == Architecture(regional=False, beta=0.5)
    True
    """

    transformer: bool = True
    regional: bool = True
    global_: bool = True
    beta: float = 0.3
    across_batch: bool = False
    masking: Masking = neighbours


VARIANTS = {
    "full": Architecture(),
    "global-only": Architecture(regional=False, beta=0.5),
    "regional-only": Architecture(global_=False),
    "no-gat": Architecture(regional=False, global_=False),
    "no-transformer-no-gat": Architecture(transformer=False, regional=False, global_=False),
}
"""The five networks of the authors' ablation, by name."""


class AUOutputs(NamedTuple):
    """The outputs of the AU detector: logits of the main and the auxiliary head, and AU features after the DPK-GATs.

    >>> outputs = AUOutputs(jnp.zeros((2, 12)), jnp.zeros((2, 12)), features=jnp.zeros((2, 12, 25)))
    >>> jax.nn.sigmoid(outputs.logits)[0, 0].item()
    0.5
    """

    logits: Float[Array, "batch aus"]
    auxiliary_logits: Float[Array, "batch aus"]
    features: Float[Array, "batch aus feat"]


class Outputs(NamedTuple):
    """The outputs of the whole network: emotion logits, and the outputs of its AU detector.

    >>> au = AUOutputs(jnp.zeros((2, 12)), jnp.zeros((2, 12)), jnp.zeros((2, 12, 25)))
    >>> Outputs(jnp.array([[0.1, 0.7], [0.9, 0.2]]), au).emotion_logits.argmax(axis=-1).tolist()
    [1, 0]
    """

    emotion_logits: Float[Array, "batch classes"]
    au: AUOutputs


class AUDetector(nn.Module):
    """LRM and AFR: action units from the flow patches of 65 landmarks."""

    architecture: Architecture = Architecture()

    @nn.compact
    def __call__(
        self,
        patches: Float[Array, "batch landmarks=65 5 5 3"],
        mask: Float[Array, "batch"],
        priors: Priors,
        ratio: Float[Array, ""] | float,
        *,
        train: bool,
    ) -> AUOutputs:
        """Detect.

        Args:
          patches: Flow patches (u, v, strain) in [0, 1].
          mask: 1 for real examples, 0 for padding.
          priors: Priors of the upper face, the lower face and the whole; arrays, possibly traced.
          ratio: Prior ratio of the moment, in [0, 1].
          train: Whether batch statistics and dropout are those of training.

        Returns:
          Logits of both heads, and AU features after the graph attention.
        """
        choices = self.architecture

        def related(name: str, nodes: Array, prior: Prior) -> Array:
            gat = DPKGAT(beta=choices.beta, masking=choices.masking, name=name)
            return nodes + gat(nodes, prior, ratio, train=train)

        tokens = LocalFeatures(name="local")(patches, mask, train=train)
        if choices.transformer:
            encoder = SpatialEncoder(across_batch=choices.across_batch, name="spatial")
            tokens = encoder(tokens, mask, train=train)
        nodes = AUFeatures(name="features")(tokens, mask, train=train)
        auxiliary = AUPrediction(name="auxiliary")(nodes, train=train)
        if choices.regional:
            upper, lower = jnp.split(nodes, [priors.upper.topology.shape[0]], axis=1)
            nodes = jnp.concatenate(
                [related("upper", upper, priors.upper), related("lower", lower, priors.lower)], axis=1
            )
        if choices.global_:
            nodes = related("global", nodes, priors.global_)
        return AUOutputs(AUPrediction(name="main")(nodes, train=train), auxiliary, nodes)


class FedPsyAU(nn.Module):
    """The whole network: the AU detector, and the emotion classifier on its features and the face's flow."""

    num_classes: int
    architecture: Architecture = Architecture()

    @nn.compact
    def __call__(
        self,
        examples: Examples,
        mask: Float[Array, "batch"],
        priors: Priors,
        ratio: Float[Array, ""] | float,
        *,
        train: bool,
    ) -> Outputs:
        """Detect action units and classify the emotion of a batch of examples."""
        au = AUDetector(self.architecture, name="au")(examples.patches, mask, priors, ratio, train=train)
        logits = DSI(self.num_classes, name="dsi")(au.features, examples.flow, mask, train=train)
        return Outputs(logits, au)


class Detected(NamedTuple):
    """Examples with AU features that a frozen detector has already computed.

    >>> Detected(jnp.zeros((2, 28, 28, 3)), jnp.zeros((2, 12, 25)), jnp.array([0, 1])).au_features.shape
    (2, 12, 25)
    """

    flow: Float[Array, "examples height=28 width=28 channels=3"]
    au_features: Float[Array, "examples aus feat"]
    emotion: Int[Array, "examples"]


def au_detector(architecture: Architecture, priors: Priors, ratio: Float[Array, ""] | float) -> Model:
    """The AU detector; its batches hold `Examples`, its outputs are `AUOutputs`.

    Args:
      architecture: Parts of the network.
      priors: Of the three graphs; may be traced.
      ratio: Prior ratio, in [0, 1].
    """
    return _as_model(AUDetector(architecture), lambda batch: (batch.examples.patches, batch.mask, priors, ratio))


def detect_attending(
    architecture: Architecture, client: ClientState, batch: Batch, priors: Priors, ratio: Float[Array, ""] | float
) -> tuple[AUOutputs, dict[str, tuple[Attention, ...]]]:
    """Run the AU detector in evaluation mode and return the attention that it used.

    Args:
      architecture: Of the detector.
      client: Its weights and batch statistics.
      batch: `Examples`.
      priors: Of the three graphs.
      ratio: Prior ratio, in [0, 1].

    Returns:
      The outputs, and a dictionary with the attention of each layer by graph: "upper", "lower" and "global", as far as
      the architecture has them. Its leaves are [batch, heads, aus, aus], the prior's [aus, aus].
    """
    variables = {"params": client.params, "batch_stats": client.model_state}
    inputs = (batch.examples.patches, batch.mask, priors, ratio)
    outputs, recorded = AUDetector(architecture).apply(variables, *inputs, train=False, mutable=["intermediates"])
    return outputs, {graph: sown["attention"] for graph, sown in recorded.get("intermediates", {}).items()}


def emotion_classifier(num_classes: int) -> Model:
    """The emotion classifier (DSI); its batches hold `Detected` examples, its outputs are logits [batch, classes]."""
    module = DSI(num_classes)
    return _as_model(module, lambda batch: (batch.examples.au_features, batch.examples.flow, batch.mask))


def network(num_classes: int, architecture: Architecture, priors: Priors, ratio: Float[Array, ""] | float) -> Model:
    """The whole network; its batches hold `Examples`, its outputs are `Outputs`.

    Args:
      num_classes: Number of emotion classes.
      architecture: Parts of the network, for example from ``VARIANTS``.
      priors: Of the three graphs; may be traced.
      ratio: Prior ratio, in [0, 1].
    """
    module = FedPsyAU(num_classes, architecture)
    return _as_model(module, lambda batch: (batch.examples, batch.mask, priors, ratio))


def _as_model(module: nn.Module, inputs: Callable[[Batch], tuple[Any, ...]]) -> Model:
    def init(key: PRNGKeyArray, batch: Batch) -> ClientState:
        variables = module.init(key, *inputs(batch), train=False)
        return ClientState(variables["params"], variables["batch_stats"])

    def apply(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray | None, *, train: bool
    ) -> tuple[Any, ModelState]:
        variables = {"params": params, "batch_stats": model_state}
        if not train:
            return module.apply(variables, *inputs(batch), train=False), model_state
        trained = partial(module.apply, train=True)
        if key is not None:
            wanted = jax.eval_shape(lambda: trained(variables, *inputs(batch), mutable=["batch_stats", DRAWS])[1])
            variables[DRAWS] = drawn(wanted.get(DRAWS, {}), key)
        outputs, updated = trained(variables, *inputs(batch), mutable=["batch_stats"])
        return outputs, updated["batch_stats"]

    return Model(init, apply)
