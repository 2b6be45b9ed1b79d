"""The server's end of the network: Flower's SuperLink with the Fleet API only, in the process of the server.

Sites connect to it, over TLS, with keys that were enrolled; the server never connects to a site. Flower's other APIs,
which take code from users and run it, are not there.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID
from flwr.server.superlink.linkstate import LinkState, LinkStateFactory
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, NodeStatus, TaskType
from flwr.supercore.error import http_error_translator
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import NoObjectInStoreError, ObjectStoreFactory
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.config_loader import get_federation_manager
from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware
from flwr.superlink.routers.fleet.router import router as fleet_router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from deployment.payload import LARGEST, Payload, Refused
from deployment.records import content_of, payload_of

__all__ = ["SuperLink", "opened"]

POLL_SECONDS, BEAT_SECONDS = 0.1, 5.0
MESSAGE_TYPE = "train"
LONGEST_LIFE = 30 * 24 * 3600.0
LARGEST_REQUEST = 64 * 2**20
"""Bytes of one request; Flower sends arrays in chunks that are smaller."""


class Certificate(NamedTuple):
    """Files of the server's TLS certificate and its private key."""

    certificate: Path
    key: Path


class _Lost(Exception):
    """A question that nobody will answer."""


class SuperLink:
    """The open server: sites by name, and questions to them."""

    def __init__(self, state: LinkState, keys: Mapping[str, bytes]) -> None:
        """Enrol sites.

        Args:
            state: of Flower's SuperLink.
            keys: the public key of each site, by its name.
        """
        self.state = state
        self.nodes = {
            name: state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0, name=name) for name, key in keys.items()
        }
        self.arriving: dict[str, Message] = {}
        self._open_run()

    def ask(self, questions: Mapping[str, Payload], seconds: float) -> Iterator[tuple[str, Payload | Refused]]:
        """Send each site its question and yield the answers as they arrive.

        A site that was away, or was restarted, while it owed an answer is asked again when it is there.

        Args:
            questions: by the names of sites.
            seconds: to wait; sites that have not answered then are left out.
        """
        pending: dict[str, tuple[str, str | None]] = {}
        until = time.monotonic() + seconds
        while (owing := set(questions) - {*pending}) or pending:
            if not self.state.acknowledge_task_heartbeat(self.task):  # this machine slept, and Flower gave its task up
                self._open_run()
                pending, owing = {}, set(questions)
            infos = {info.node_id: info for info in self.state.get_node_info(node_ids=list(self.nodes.values()))}
            for name in sorted(owing | {*pending}):
                info = infos[self.nodes[name]]
                asked = pending.get(name, ("", None))[1]
                if info.status == NodeStatus.ONLINE and info.last_activated_at != asked:
                    pending[name] = (self._push(name, questions[name]), info.last_activated_at)
            for name, (question, _) in [*pending.items()]:
                try:
                    answer = self._pull(question)
                except _Lost:
                    del pending[name]
                    continue
                if answer is not None:
                    del pending[name]
                    questions = {other: asked for other, asked in questions.items() if other != name}
                    yield name, answer
            if time.monotonic() > until:
                return
            time.sleep(POLL_SECONDS)

    def stay_open(self) -> None:
        """Tell Flower for ever that its task goes on, however long a round takes."""
        while True:
            self.state.acknowledge_task_heartbeat(self.task)
            time.sleep(BEAT_SECONDS)

    def connected(self) -> list[str]:
        """Names of the sites that are there."""
        infos = self.state.get_node_info(node_ids=list(self.nodes.values()), statuses=[NodeStatus.ONLINE])
        there = {info.node_id for info in infos}
        return [name for name, node in self.nodes.items() if node in there]

    def _open_run(self) -> None:
        """Begin one of Flower's runs, within which questions are asked."""
        self.run = self.state.create_run(
            None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, primary_task_type=TaskType.SERVER_APP
        )
        (run,) = self.state.get_run_info(run_ids=[self.run])
        assert run.primary_task_id is not None
        self.task = run.primary_task_id
        self.arriving.clear()
        self.state.claim_task(self.task)
        self.state.activate_task(self.task)
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = self.run, self.task, SUPERLINK_NODE_ID

    def _push(self, name: str, question: Payload) -> str:
        message = Message(
            content_of(question), self.nodes[name], MESSAGE_TYPE, ttl=LONGEST_LIFE, group_id=question.kind
        )
        with no_object_id_recompute():
            message.metadata.__dict__["_message_id"] = message.object_id
            session, objects = self.state.start_session(self.run), get_all_nested_objects(message)
            bare, tree = remove_content_from_message(message), get_object_tree(message)
            _, missing = self.state.store_message_and_object_tree(bare, tree, session)
            for one in missing:
                self.state.store_object(self.run, session, one, objects[one].deflate())
        return str(message.metadata.message_id)

    def _pull(self, question: str) -> Payload | Refused | None:
        if question not in self.arriving:  # Flower hands out an answer once, maybe before its parts have arrived
            if not (answers := self.state.get_message_res({question}, self.run)):
                return None
            (self.arriving[question],) = answers
        answer = self.arriving[question]
        if answer.has_error():  # the site was away for too long, so Flower gave the question up
            del self.arriving[question]
            raise _Lost
        name, contents = answer.metadata.message_id, {}
        try:
            tree = self.state.object_store.get_object_tree(name)
        except NoObjectInStoreError:  # the server, or the machine, slept so long that Flower gave the answer's parts up
            del self.arriving[question]
            raise _Lost from None
        for part in iterate_object_tree(tree):
            content = self.state.get_object(self.run, part.object_id)
            if not content:
                return None
            contents[part.object_id] = content
        del self.arriving[question]
        self.state.delete_messages(message_ins_ids={question})
        self.state.object_store.delete(name)
        if sum(map(len, contents.values())) > LARGEST:
            return Refused(f"the message is larger than {LARGEST} bytes")
        try:
            message = inflate_object_from_contents(name, contents)
            assert isinstance(message, Message)
            return payload_of(message)
        except Refused as refused:
            return refused
        except (ValueError, TypeError, AssertionError) as error:
            return Refused(f"the message cannot be read ({type(error).__name__})")


def opened(host: str, port: int, certificate: Certificate, keys: Mapping[str, bytes]) -> SuperLink:
    """Listen for sites, in a thread.

    Args:
        host: address to listen at.
        port: of it.
        certificate: of the server; without TLS nothing is sent.
        keys: the public key of each enrolled site, by its name.

    Raises:
        OSError: the address cannot be used.
    """
    factory = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, get_federation_manager(), ObjectStoreFactory())
    middleware = [
        Middleware(BaseHTTPMiddleware, dispatch=_limited),
        Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
        Middleware(ProtobufTranslationMiddleware),
        Middleware(NodeAuthMiddleware),
    ]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, middleware=middleware)
    app.state.linkstate_factory, app.state.enable_supernode_auth = factory, True
    app.include_router(fleet_router)
    config = uvicorn.Config(
        app,
        host,
        port,
        ssl_certfile=str(certificate.certificate),
        ssl_keyfile=str(certificate.key),
        log_config=None,
        access_log=False,
        ws="none",
        http="h11",
    )
    server = uvicorn.Server(config)
    link = SuperLink(factory.state(), keys)
    threading.Thread(target=link.stay_open, daemon=True).start()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise OSError(
                f"{host}:{port} cannot be listened at: another program uses it, or the certificate is unreadable"
            )
        time.sleep(POLL_SECONDS)
    return link


async def _limited(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse requests whose length is unknown or too large."""
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not (length.isdigit() and int(length) <= LARGEST_REQUEST):
        return PlainTextResponse(f"at most {LARGEST_REQUEST} bytes are accepted", status_code=413)
    return await call_next(request)
