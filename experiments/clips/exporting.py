"""Networks as files that need neither this package nor its run folder."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export
from rich.console import Console

from experiments.clips.networks import Ensemble, Member, read_ensemble
from experiments.clips.outputs import SAMPLE_SHAPES, ensemble_program
from experiments.pages.page import TEMPLATES
from experiments.run.environment import environment
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from fedpsyau_jax.interop import to_released
from fedpsyau_jax.types import Array, ClientState

PROGRAM, FACTS, CARD, RELEASED = "network.stablehlo", "network.json", "MODEL_CARD.md", "released"
PLATFORMS = ("cpu", "cuda")
LICENCES = {
    "synthetic": "rendered faces, free of rights of others",
    "casme3": "CAS(ME)^3: academic research only, by agreement with its authors; ask them before passing weights on",
    "dfme": "DFME: academic research only, by agreement with its authors; ask them before passing weights on",
    "casme2": "CASME II: academic research only, by agreement with its authors; ask them before passing weights on",
    "samm": "SAMM: research only, by agreement with its authors; ask them before passing weights on",
    "smic": "SMIC: by a signed licence agreement with its authors; ask them before passing weights on",
    "mmew": "MMEW: by a signed licence agreement with its authors; ask them before passing weights on",
    "disfa": "DISFA: research only, by agreement with its authors; ask them before passing weights on",
    "ckplus": "CK+: research only, by agreement with its authors; ask them before passing weights on",
}
UNKNOWN_LICENCE = "the rights in these data are not known here: ask their owner before passing weights on"


def export(
    earlier: RunFolder, row: str | None, formats: Sequence[str], folder: RunFolder, data_dir: Path | None
) -> None:
    """Write the networks of a run.

    Args:
      earlier: folder of the run.
      row: title of the row of its table; None for all.
      formats: "stablehlo", "released"; by default all that the networks allow.
      folder: for the files.
      data_dir: folder of the run's databases.

    Raises:
      ValueError, OSError: the run cannot be read, or its networks cannot have a format.
    """
    with progress() as stages:
        ensemble = read_ensemble([earlier.path], data_dir, row, stages)
        obstacle = why_not_released(ensemble)
        if "released" in formats and obstacle:
            raise ValueError(f"--formats released: {obstacle}; choose stablehlo")
        chosen = tuple(formats) or ("stablehlo", *(() if obstacle else ("released",)))
        if "stablehlo" in chosen:
            with stages.stage("exporting the program"):
                folder.write_bytes(PROGRAM, program_of(ensemble))
        if "released" in chosen:
            for number, member in enumerate(ensemble.members):
                folder.write_bytes(f"{RELEASED}/{number}.npz", released_of(member))
    facts = facts_of(ensemble, chosen)
    folder.write_json(FACTS, facts)
    card = TEMPLATES.overlay(autoescape=False).get_template("model_card.md.jinja")
    folder.write_text(CARD, card.render(facts=facts, obstacle=obstacle))
    size = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file()) / 1e6
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Exported {len(ensemble.members)} networks, {size:.0f} MB: {folder.path}")
    if obstacle and not formats:
        console.print(f"Not in the released layout: {obstacle}.")


def program_of(ensemble: Ensemble) -> bytes:
    """The ensemble as a serialised ``jax.export.Exported``: from flow and patches to a dictionary of probabilities."""
    (batch,) = jax_export.symbolic_shape("batch")
    shapes = [jax.ShapeDtypeStruct((batch, *shape), jnp.float32) for shape in SAMPLE_SHAPES]
    exported = jax_export.export(jax.jit(named_outputs(ensemble)), platforms=PLATFORMS)(*shapes)
    return bytes(exported.serialize())


def named_outputs(ensemble: Ensemble) -> Callable[[Array, Array], dict[str, Array]]:
    """The function that is exported; its outputs have no type of this package."""
    program, weights = ensemble_program(ensemble.members, len(ensemble.class_names))

    def named(flow: Array, patches: Array) -> dict[str, Array]:
        found = program(weights, flow, patches)
        return found._asdict() if ensemble.class_names else {"au": found.au}

    return named


def why_not_released(ensemble: Ensemble) -> str:
    """Why networks cannot be written in the layout of the released code; empty if they can."""
    if not ensemble.class_names:
        return "the released code has whole networks, and a pretrained detector has no emotion classifier"
    others = sorted({member.network.variant for member in ensemble.members} - {"full"})
    return f"the released code has the full network only, not {', '.join(others)}" if others else ""


def released_of(member: Member) -> bytes:
    """A whole network as an npz file of the released code's arrays by name."""
    assert member.classifier is not None
    parts = {"au": member.detector.client, "dsi": member.classifier}
    whole = ClientState(
        {name: one.params for name, one in parts.items()}, {name: one.model_state for name, one in parts.items()}
    )
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **to_released(jax.tree.map(np.asarray, whole)))
    return content.getvalue()


def facts_of(ensemble: Ensemble, formats: Sequence[str]) -> dict[str, Any]:
    """Content of network.json: what goes in and comes out, and where the weights come from."""
    scaling = ensemble.settings.description()["scaling"]
    inputs = {
        "flow": [["batch", 28, 28, 3], "(u, v, strain) of the whole face, area average of 128 x 128 pixels"],
        "patches": [["batch", 65, 5, 5, 3], "5 x 5 windows of the same image at 128 x 128 pixels round 65 landmarks"],
    }
    outputs: dict[str, Any] = {"au": {"shape": ["networks", "batch", "aus"], "is": "probability of each action unit"}}
    if ensemble.class_names:
        outputs["emotion"] = {"shape": ["networks", "batch", "classes"], "is": "probability of each emotion"}
    return {
        "formats": list(formats),
        "platforms": list(PLATFORMS),
        "classes": list(ensemble.class_names),
        "aus": list(ensemble.au_names),
        "networks": [_network_facts(member) for member in ensemble.members],
        "inputs": {
            name: {"shape": shape, "dtype": "float32", "range": [0, 1], "is": what, "scaling": scaling}
            for name, (shape, what) in inputs.items()
        },
        "outputs": outputs,
        "recipe": ensemble.settings.description(),
        "synthetic": ensemble.synthetic,
        "runs": list(ensemble.runs),
        "licences": {"code": "MIT", **{name: LICENCES.get(name, UNKNOWN_LICENCE) for name in ensemble.databases}},
        "environment": environment(),
    }


def _network_facts(member: Member) -> dict[str, Any]:
    priors = {
        name: {
            "topology": np.asarray(prior.topology).astype(int).tolist(),
            "statistics": np.asarray(prior.statistics, float).tolist(),
        }
        for name, prior in zip(("upper", "lower", "global"), member.detector.priors, strict=True)
    }
    shape = {name: getattr(member.network, name) for name in ("variant", "attention", "masking")}
    return {"title": member.title, **shape, "prior_ratio": member.detector.ratio, "priors": priors}
