"""A real federation: a server and sites as processes that talk over TLS, with the functions of the simulation.

``python -m deployment.server`` and ``python -m deployment.site``; docs/deployment.md. Only ``superlink``, ``supernode``
and ``records`` talk through Flower, ``masks`` and ``masking`` use its shares and seals, and only ``problem`` knows the
network; ``coordinator`` (the server's part) and ``participant`` (a site's) see messages. With secure aggregation
``secure_coordinator`` and ``secure_participant`` take their places; ``secure_sum`` and ``masking`` are the protocol.
"""

import logging
import os

# Before Flower is imported, which would report its use, and install what an app asks for.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] = "1"


def quiet() -> None:
    """Keep Flower's log to what ends a process."""
    flower = logging.getLogger("flwr")  # its level is set again when Flower is imported
    flower.addFilter(lambda record: record.levelno >= logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
