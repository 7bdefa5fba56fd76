"""An S3 server on this machine, which counts requests and bytes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class ObjectStore:
    """An S3 server; ``asked`` has the requests for objects, with range and bytes sent."""

    url: str
    asked: list[tuple[str, str, str, int]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What a process must know to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "no_proxy": "*",
        }


@contextmanager
def serve_objects(bucket: str = "shelf") -> Iterator[ObjectStore]:
    """Start a server with one bucket, and point this process and its children to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = ObjectStore(f"http://{host}:{port}")
    application = server._server.app

    def counting(environ: dict[str, Any], start: Any) -> Any:
        body = list(application(environ, start))
        size = sum(map(len, body))
        store.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", ""), size))
        return body

    server._server.app = counting
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment().items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=store.url).create_bucket(Bucket=bucket)
        yield store
        server.stop()
