"""What the parts of this network give alone, where the released ones gave the numbers of a golden file.

A group yields a ``Check`` for whatever its inputs and weights allow; whether the file holds the reference is asked
afterwards.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from experiments.parity.check import Check, as_maps, evaluate, mask_of, result, train
from experiments.parity.golden import Golden
from fedpsyau_jax.interop import to_released
from fedpsyau_jax.interop.table import REGIONS as RELEASED_REGION
from fedpsyau_jax.models.afr import REGIONS, RegionFeatures
from fedpsyau_jax.models.dpk_gat import DPKGAT, Heads, attend_dense
from fedpsyau_jax.models.dsi import DSI
from fedpsyau_jax.models.lrm import LocalFeatures, SpatialEncoder
from fedpsyau_jax.priors import Masking, Prior, neighbours, published, released
from fedpsyau_jax.types import Array, ClientState, ModelState, Params

BETA = 0.3
LFE, SSE, CLASSIFIER = "au_model.FeatureExtractor.", "au_model.transformer.", "mer_feature_extractor."


def const(golden: Golden) -> Iterator[Check]:
    """Topologies, and statistics rounded to the 4 digits of the released implementation."""
    for name, prior in zip(("upper", "lower", "global"), published(), strict=True):
        yield Check("const", f"const/{name}_adj", prior.topology)
        yield Check("const", f"const/{name}_prior", prior.statistics.round(4))


def graph_attention(golden: Golden) -> Iterator[Check]:
    """DPK-GATs alone, without their residual."""
    for region, prior in zip(("upper", "lower", "global"), golden.priors, strict=True):
        if not (golden.holds(f"gat/{region}/in") and golden.has_weights(f"au_model.{region}_gat.")):
            continue
        params, nodes = golden.state.params["au"][region], golden.given(f"gat/{region}/in")
        for ratio in golden.ratios(f"gat/{region}"):
            for name, ours in attend(params, nodes, prior, float(ratio)).items():
                row = "gat/edges_only" if name == "layer0_edges_only" else "gat/released"
                yield Check(f"{row}/{region}", f"gat/{region}/ratio{ratio}/{name}", ours)


@jax.jit
def attend(params: Params, nodes: Array, prior: Prior, ratio: float) -> dict[str, Any]:
    """The first head with both maskings, and the whole DPK-GAT with the released one."""
    first = Heads(params["W"][:1], params["a"][:1])

    def head(masking: Masking) -> Array:
        return nn.elu(attend_dense(first, nodes, prior, BETA * ratio, masking=masking)[..., 0, :])

    gat = DPKGAT(beta=BETA, masking=released)
    return {
        "layer0": head(released),
        "layer0_edges_only": head(neighbours),
        "gat": gat.apply({"params": params}, nodes, prior, ratio, train=False),
    }


def region_features(golden: Golden) -> Iterator[Check]:
    """AFE of each facial region alone."""
    for region, theirs in RELEASED_REGION.items():
        name = f"l2a/{theirs}"
        if not (golden.holds(f"{name}/in") and golden.has_weights(f"au_model.{theirs}.")):
            continue
        given = golden.given(f"{name}/in")
        tokens = given.reshape(len(given), -1, 75)
        run = evaluate(RegionFeatures(REGIONS[region][0]))
        out, inside = run(golden.variables("au", "features", region), tokens, mask_of(tokens))
        yield Check(f"l2a/{region}", f"{name}/se", result(inside["excitation"]).reshape(given.shape))
        yield Check(f"l2a/{region}", f"{name}/out", as_maps(out))


def local_features(golden: Golden) -> Iterator[Check]:
    """LFE alone, each image a landmark of its own example."""
    if not (golden.holds("fe/in") and golden.has_weights(LFE)):
        return
    given = golden.given("fe/in")
    patches = given.transpose(0, 2, 3, 1)[:, None]
    arguments = (golden.variables("au", "local"), patches, mask_of(patches))
    evaluated, _ = evaluate(LocalFeatures())(*arguments)
    yield Check("fe/eval", "fe/out_eval", evaluated.reshape(given.shape))
    trained, model_state = train(LocalFeatures())(*arguments)
    yield Check("fe/train", "fe/out_train", trained.reshape(given.shape))
    after = {**golden.state.model_state, "au": {**golden.state.model_state["au"], "local": model_state}}
    for name, ours in running_statistics(golden, after, LFE):
        yield Check("fe/after", f"fe/after_{name.replace('.', '_')}", ours)


def encoder(golden: Golden) -> Iterator[Check]:
    """SSE alone."""
    if not (golden.holds("tr/in") and golden.has_weights(SSE)):
        return
    tokens = golden.given("tr/in")
    params = {"params": golden.state.params["au"]["spatial"]}
    for name, across_batch in {"official_batch_axis": True, "batch_first": False}.items():
        encoded, _ = evaluate(SpatialEncoder(across_batch=across_batch))(params, tokens, mask_of(tokens))
        yield Check(f"tr/{name}", f"tr/out_{name}", encoded)


def inception(golden: Golden) -> Iterator[Check]:
    """DSI alone, without dropout."""
    if not (golden.holds("inc/au_features", "whole/flow") and golden.has_weights(CLASSIFIER)):
        return
    nodes = golden.given("inc/au_features")
    nodes = nodes.reshape(*nodes.shape[:2], -1)
    flow = golden.given("whole/flow").transpose(0, 2, 3, 1)
    module, arguments = DSI(golden.num_classes, dropout=0.0), (golden.variables("dsi"), nodes, flow, mask_of(nodes))
    yield Check("inc/eval", "inc/out_eval", evaluate(module)(*arguments)[0])
    logits, model_state = train(module)(*arguments)
    yield Check("inc/train", "inc/out_train_nodropout", logits)
    for name, ours in running_statistics(golden, {**golden.state.model_state, "dsi": model_state}, CLASSIFIER):
        yield Check("inc/after", f"inc/after_train/{name}", ours)


def running_statistics(golden: Golden, after: ModelState, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    """Running statistics of one part of the network, by the rest of their released names."""
    for name, array in to_released(ClientState(golden.state.params, after)).items():
        if name.startswith(prefix) and "running" in name:
            yield name.removeprefix(prefix), array
