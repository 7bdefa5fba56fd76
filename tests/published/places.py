"""Places that a head is published to and fetched from: a hub, a web server, with a cache folder of the test's own."""

from pathlib import Path

from tests.loopback import Handler, Server


class FilesServer(Server):
    """A web server for the files of a folder."""

    folder: Path


class FilesHandler(Handler):
    """Answers with the files of the server's folder."""

    def answer(self) -> None:
        path = self.server_state.folder / self.path.lstrip("/")
        if path.is_file():
            self.reply_file(path)
        else:
            self.send_error(404)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a published head, but for what tells where it came from and the hub's card."""
    apart = {"ORIGIN.json", "README.md", ".gitattributes"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in apart)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
