"""Pages of commands: one HTML file each, images inside; every text is escaped, nothing is loaded from elsewhere."""

import base64
from collections.abc import Mapping
from typing import Any

import jinja2
from matplotlib.figure import Figure

from experiments.pages import figures
from experiments.run.folder import RunFolder

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("experiments.pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_figures(folder: RunFolder, drawn: Mapping[str, Figure]) -> dict[str, bytes]:
    """Write figures as ``figures/NAME.png``; returns these images, to be put into a page."""
    images = {name: figures.png(figure) for name, figure in drawn.items()}
    for name, image in images.items():
        folder.write_bytes(f"figures/{name}.png", image)
    return images


def render(name: str, images: Mapping[str, bytes], **values: Any) -> str:
    """Fill in a template of ``experiments/pages/templates``.

    Args:
        name: of the template, without endings.
        images: PNG files by the names that the template uses.
        values: all that the template reads.
    """
    encoded = {image: base64.b64encode(content).decode() for image, content in images.items()}
    return TEMPLATES.get_template(f"{name}.html.jinja").render(images=encoded, **values)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as dotted names."""
    pairs: list[tuple[str, Any]] = []
    for name, value in settings.items():
        nested = isinstance(value, Mapping)
        pairs += flatten(value, f"{prefix}{name}.") if nested else [(prefix + name, value)]
    return pairs
