"""What the whole network gives, and its gradients, where the released one gave the numbers of a golden file."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.parity.check import Check, as_maps, evaluate, mask_of, result
from experiments.parity.golden import Golden
from fedpsyau_jax.interop import to_released
from fedpsyau_jax.interop.table import REGIONS as RELEASED_REGION
from fedpsyau_jax.losses import binary_cross_entropy, cross_entropy, joint_loss
from fedpsyau_jax.models.fedpsyau import Architecture, FedPsyAU, network
from fedpsyau_jax.priors import Priors, released
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, ModelState, Params

LANDMARKS = np.r_[0:23, 94:123, 148:161]
"""The 65 landmarks among the 161 patches: 0-22 of the brow's list, 23-51 of the nose's, 52-64 of the mouth's."""

GAMMA, GRADIENT_RATIO = 0.8, 0.3
ARCHITECTURES = {
    "official": Architecture(across_batch=True, masking=released),
    "batch_first": Architecture(masking=released),
}


def examples_of(golden: Golden) -> Examples:
    """The inputs of the whole network, channels last; labels that the file lacks are zeros."""
    flow, patches = golden.given("whole/flow"), golden.given("whole/patches")
    landmarks = patches.reshape(len(patches), -1, 3, 5, 5)[:, LANDMARKS].transpose(0, 1, 3, 4, 2)
    au = golden.arrays.get("whole/au_labels", np.zeros((len(flow), 12))).astype(golden.dtype)
    emotion = golden.arrays.get("whole/emo_labels", np.zeros(len(flow), int))
    images = flow.transpose(0, 2, 3, 1)
    return Examples(*map(jnp.asarray, (images, landmarks, au, np.ones_like(au), emotion)))


def is_runnable(golden: Golden) -> bool:
    """Whether the file holds what a run of the whole network needs."""
    return golden.holds("whole/flow", "whole/patches") and golden.has_weights()


def whole(golden: Golden) -> Iterator[Check]:
    """The whole network with all that it computes on the way."""
    if not is_runnable(golden):
        return
    examples = examples_of(golden)
    for name, architecture in ARCHITECTURES.items():
        run = evaluate(FedPsyAU(golden.num_classes, architecture))
        for ratio in golden.ratios(f"whole/{name}"):
            outputs, inside = run(golden.variables(), examples, mask_of(examples.au), golden.priors, float(ratio))
            for key, ours in whole_outputs(outputs, inside["au"]).items():
                yield Check(f"whole/{name}/ratio{ratio}", f"whole/{name}/ratio{ratio}/{key}", ours)


def whole_outputs(outputs: Any, inside: Any) -> dict[str, Array]:
    """Outputs and intermediate results by their released names."""
    return {
        "transformer_in": result(inside["local"]),
        "transformer": result(inside["spatial"]),
        **{theirs: as_maps(result(inside["features"][ours])) for ours, theirs in RELEASED_REGION.items()},
        **{f"{region}_gat": result(inside[region]) for region in ("upper", "lower", "global")},
        "au_features": as_maps(outputs.au.features),
        "au_logits": outputs.au.logits,
        "aux_logits": outputs.au.auxiliary_logits,
        "emo_logits": outputs.emotion_logits,
    }


def losses(
    params: Params, model_state: ModelState, batch: Batch, priors: Priors, *, num_classes: int
) -> tuple[Array, Array]:
    """Total loss, and (total, CE, BCE main, BCE auxiliary), in eval mode."""
    model = network(num_classes, ARCHITECTURES["batch_first"], priors, GRADIENT_RATIO)

    def evaluate(params: Params, model_state: ModelState, batch: Batch, key: Any, *, train: bool) -> Any:
        outputs, _ = model.apply(params, model_state, batch, key, train=False)
        return outputs, outputs  # in place of the batch statistics, which do not change

    loss = joint_loss(model._replace(apply=evaluate), GAMMA)
    total, (outputs, _) = loss(params, model_state, batch, jax.random.key(0))
    examples, mask = batch
    main, auxiliary = (
        binary_cross_entropy(logits, examples.au, examples.au_mask, mask)
        for logits in (outputs.au.logits, outputs.au.auxiliary_logits)
    )
    return total, jnp.stack([total, cross_entropy(outputs.emotion_logits, examples.emotion, mask), main, auxiliary])


def gradients(golden: Golden) -> Iterator[Check]:
    """Losses and the gradient of the total one; of large parameters a sample, sums and the norm."""
    if not (is_runnable(golden) and golden.holds("whole/au_labels", "whole/emo_labels")):
        return
    run = jax.jit(jax.grad(partial(losses, num_classes=golden.num_classes), has_aux=True))
    examples = examples_of(golden)
    gradient, values = run(*golden.state, Batch(examples, jnp.asarray(mask_of(examples.au))), golden.priors)
    yield Check("grad/losses", "grad/losses", values)
    for name, array in to_released(ClientState(gradient, golden.state.model_state)).items():
        yield Check("grad/full", f"grad/{name}", array, is_gradient=True)
        largest = np.abs(array).max()
        check = partial(Check, "grad/sampled", is_gradient=True, magnitude=largest)
        rows = array.reshape(len(array), -1)
        yield check(f"grad_rowsum/{name}", rows.sum(axis=1))
        yield check(f"grad_colsum/{name}", rows.sum(axis=0))
        yield check(f"grad_norm/{name}", np.linalg.norm(rows))
        if golden.holds(f"grad_idx/{name}"):
            yield check(f"grad_val/{name}", array.ravel()[golden.arrays[f"grad_idx/{name}"]])
        if golden.holds(f"grad_tol/{name}"):
            float32_noise = golden.arrays[f"grad_tol/{name}"][0]  # of the reference: nothing of ours to agree
            yield Check("grad/magnitude", f"grad_tol/{name}", np.array([float32_noise, largest]), is_gradient=True)
