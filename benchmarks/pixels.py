"""Which pixels of the apex a decision depends on: ``python -m benchmarks.pixels RUN --output pixels.png``.

From the pixels of two aligned faces to the emotion everything is one differentiable program: TV-L1, strain, scaling,
windows round the landmarks, the AU detector, and the emotion classifier of one client. A pixel's share is its change
from onset to apex times the derivative of the emotion's logarithmic probability, averaged over the way from one to the
other (integrated gradients: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017), so the
shares should add up to what the expression adds to it. They are shown over the apex, beside the regions whose landmarks
the AU detector looks at, coloured by its AUs.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.compiler import short_run_options
from experiments.training.restore import KeptNetwork, Restored, restore
from fedpsyau_jax.models.afr import REGIONS
from fedpsyau_jax.models.fedpsyau import Detected, au_detector, emotion_classifier
from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.synthesis.filming import film
from fedpsyau_jax.synthesis.population import FEDERATED, clips, filming_generator, portrait
from fedpsyau_jax.types import Batch, Examples
from fedpsyau_jax.vision.differentiable import network_inputs
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.sample import AlignedFaces, Settings, aligned_faces
from fedpsyau_jax.vision.tvl1 import DIFFERENTIABLE

FLOW = replace(DIFFERENTIABLE, scales=2)
"""Aligned faces move by a few pixels; fewer scales compile sooner."""
_ZOOM = 3


@dataclass(frozen=True)
class Options:
    """Show what a decision depends on.

    Attributes:
      run: Folder of a finished run of experiments.fed or mer on the synthetic database, with a frozen AU detector.
      data_dir: Folder of its databases.
      clip: Name of a clip; by default the first test clip of its first network.
      steps: From onset to apex.
      output: PNG to write.
    """

    run: tyro.conf.Positional[Path]
    data_dir: Path | None = None
    clip: str | None = None
    steps: int = 16
    output: Path = Path("pixels.png")


class Decision(NamedTuple):
    """The emotions' logarithmic probabilities, and the AUs' probabilities."""

    emotions: jax.Array
    aus: jax.Array


def decide(restored: Restored, network: KeptNetwork, points: np.ndarray) -> Callable[..., Decision]:
    """The function from the grey levels of two aligned faces to the decision."""
    training = network.training
    classifier = jax.tree.map(lambda leaf: leaf[0], restored.weights([network]))
    detector = restored.detectors[training.network]
    choices = training.network
    detect = au_detector(choices.architecture(), training.priors, choices.prior_ratio).apply
    classify = emotion_classifier(len(restored.prepared.data_of(training).class_names)).apply

    def decision(onset: jax.Array, apex: jax.Array) -> Decision:
        flow, patches = network_inputs(onset, apex, points, FLOW)
        unknown = jnp.zeros((1, len(ACTION_UNITS)))
        emotion, mask = jnp.zeros(1, jnp.int32), jnp.ones(1)
        examples = Examples(flow[None], patches[None], unknown, unknown, emotion)
        aus, _ = detect(detector.params, detector.model_state, Batch(examples, mask), None, train=False)
        detected = Batch(Detected(examples.flow, aus.features, emotion), mask)
        logits, _ = classify(classifier.params, classifier.model_state, detected, None, train=False)
        return Decision(jax.nn.log_softmax(logits[0]), jax.nn.sigmoid(aus.logits[0]))

    return decision


def aligned_clip(name: str) -> AlignedFaces:
    """Film a synthetic clip, and align its faces.

    Raises:
        ValueError: there is none of this name.
    """
    subject = name.removeprefix("sub").partition("_")[0]
    known = clips(FEDERATED, int(subject)) if subject.isdigit() else []
    for clip in known:
        if clip.name == name:
            face, generator = portrait(FEDERATED, int(subject)), filming_generator(FEDERATED, clip)
            take = film(face, clip.actions, FEDERATED.conditions, generator)
            onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (take.onset, take.apex))
            return aligned_faces(onset, apex, take.onset_landmarks, Settings())
    raise ValueError(f"--clip={name}: the synthetic database has no such clip; sub0001_01 is the first")


def within(weight: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """How much of the shares' magnitude lies in the hull of each region's landmarks; regions overlap."""
    return {name: float(weight[_hull(points, name, weight.shape)].sum() / weight.sum()) for name in REGIONS}


def _hull(points: np.ndarray, region: str, size: tuple[int, ...]) -> np.ndarray:
    corners = cv2.convexHull(np.rint(points[REGIONS[region][1]]).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros(size, np.uint8), corners, 1) == 1


def picture(faces: AlignedFaces, weight: np.ndarray, aus: np.ndarray) -> np.ndarray:
    """Apex, shares over it, and regions by the strongest AU of each, side by side."""
    apex = cv2.cvtColor(faces.apex, cv2.COLOR_GRAY2BGR)
    smooth = cv2.GaussianBlur(weight, (0, 0), 1.5)
    heat = cv2.applyColorMap(np.uint8(255 * np.clip(smooth / np.percentile(smooth, 99.5), 0, 1)), cv2.COLORMAP_INFERNO)
    regions, points, first = apex.copy(), network_landmarks(faces.points), 0
    for name, (count, _) in REGIONS.items():
        strength = aus[first : first + count].max()
        regions[_hull(points, name, weight.shape), 2] = np.maximum(
            regions[_hull(points, name, weight.shape), 2], np.uint8(255 * strength)
        )
        first += count
    tiles = [apex, cv2.addWeighted(apex, 0.4, heat, 0.8, 0), regions]
    return cv2.resize(np.hstack(tiles), None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_NEAREST)


def _rounded(values: np.ndarray) -> list[float]:
    return values.astype(float).round(2).tolist()


def show(options: Options) -> None:
    """Attribute one decision to pixels and draw it.

    Raises:
        ValueError, OSError: no such run or clip.
    """
    with progress() as stages:
        restored = restore(RunFolder(options.run), options.data_dir, stages)
    network = next((network for network in restored.networks if network.group.au == "frozen"), None)
    if network is None or not (dataset := restored.prepared.data_of(network.training).dataset).synthetic:
        raise ValueError(f"{options.run}: give a run on the synthetic database whose AU detector is frozen")
    name = options.clip or str(dataset.clip[network.test[0]])
    faces = aligned_clip(name)
    decision = decide(restored, network, faces.points)
    onset, apex = (jnp.asarray(face, jnp.float32) for face in (faces.onset, faces.apex))

    found = jax.jit(decision, compiler_options=short_run_options())(onset, apex)
    emotion = int(jnp.argmax(found.emotions))
    program = jax.jit(
        jax.value_and_grad(lambda face: decision(onset, face).emotions[emotion]), compiler_options=short_run_options()
    )
    on_the_way = [program(onset + (apex - onset) * (step + 0.5) / options.steps)[1] for step in range(options.steps)]
    share = np.asarray((apex - onset) * sum(on_the_way) / options.steps)
    gain = float(found.emotions[emotion] - program(onset)[0])
    weight = np.abs(share)
    emotions = dict(zip(dataset.class_names, _rounded(np.exp(found.emotions)), strict=True))
    print(f"{name} (synthetic), {network.training.row}, client {network.client}: {emotions}")
    print(f"the expression adds {gain:+.2f} to its log probability; the shares add up to {share.sum():+.2f}")
    print("AUs:", dict(zip(dataset.au_names, _rounded(np.asarray(found.aus)), strict=True)))
    areas = {region: float(_hull(network_landmarks(faces.points), region, weight.shape).mean()) for region in REGIONS}
    for region, part in within(weight, network_landmarks(faces.points)).items():
        print(f"  {region:6} {part:5.0%} of the shares on {areas[region]:4.0%} of the pixels")
    if not cv2.imwrite(str(options.output), picture(faces, weight, np.asarray(found.aus))):
        raise OSError(f"--output={options.output}: cannot be written")


def main(options: Options) -> int:
    """Run; 2 and one message on bad input."""
    try:
        show(options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.pixels", description=__doc__)))
