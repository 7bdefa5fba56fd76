"""A server on this machine that says exactly what a test wants, byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Speak = Callable[[socket.socket], None]
Listen = Callable[[Speak], str]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    """Start a server that answers every connection by a function of its socket; gives the server's address."""
    monkeypatch.setenv("no_proxy", "*")
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(speak: Speak) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # closed at the end of the test
                connection.settimeout(2)
                with connection:
                    try:
                        connection.recv(1 << 16)
                        speak(connection)
                    except OSError:
                        continue  # the client has gone, as it should

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        return f"http://127.0.0.1:{server.getsockname()[1]}/file"

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join()
