"""The addresses that the hub's client asks, answered from repositories on this machine."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.loopback import Handler, Server
from tests.toyhub.card_rules import check_card
from tests.toyhub.repositories import (
    Kind,
    Repository,
    blob_id,
    describe_file,
    is_large,
    list_tree,
    sha256_of,
    size_of,
)


@dataclass
class Hub(Server):
    """Repositories, who may read and write, and large files by their SHA-256."""

    folder: Path = field(default_factory=Path)
    repositories: dict[tuple[Kind, str], Repository] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)
    """Tokens that may read private repositories of their user, and the user."""
    writers: dict[str, str] = field(default_factory=dict)
    """Tokens that may also write."""
    cards: list[str] = field(default_factory=list)
    """Cards that the hub was asked to validate."""

    def create(self, name: str, kind: Kind = "dataset", *, private: bool = False) -> Repository:
        """Make a repository with one commit, as the hub does."""
        repository = Repository(kind, name, private)
        repository.commit({".gitattributes": b"*.h5 filter=lfs diff=lfs merge=lfs -text\n"})
        self.repositories[kind, name] = repository
        return repository

    def repository(self, name: str) -> Repository:
        """The repository of a name, of either kind."""
        (found,) = (repository for repository in self.repositories.values() if repository.name == name)
        return found

    @property
    def cdn(self) -> str:
        """The address of large files: of another host, by which the client knows that it has left the hub."""
        return self.url.replace("127.0.0.1", "localhost")

    def stored(self, sha256: str) -> Path:
        """Where a large file that was uploaded lies."""
        return self.folder / sha256

    @property
    def fetched(self) -> set[str]:
        """Names of files that were read."""
        reads = (request.path for request in self.requests if request.method == "GET")
        return {path.rpartition("/")[2] for path in reads if "/resolve/" in path or path.startswith("/cdn/")}


class Refused(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message


REPO = r"/api/(model|dataset)s/([^/]+/[^/]+)"
Route = Callable[..., None]


class HubHandler(Handler):
    """One request to the hub; its methods are routes by an expression of the path."""

    server_state: Hub
    routes: ClassVar[list[tuple[str, str, Route]]] = []

    @property
    def hub(self) -> Hub:
        return self.server_state

    def answer(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        method = "GET" if self.command == "HEAD" else self.command
        try:
            self.check_token()
            for verb, pattern, route in self.routes:
                if verb == method and (match := re.fullmatch(pattern, parts.path)):
                    route(self, *(unquote(group) if group is not None else "" for group in match.groups()))
                    return
            raise Refused(404, message=f"the toy hub knows no {method} {parts.path}")
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            text = json.dumps({"error": refused.message or refused.code}).encode()
            self.reply(refused.status, text, {key: value for key, value in headers.items() if value})

    def reply_json(self, value: object, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    # --- who may do what

    def check_token(self) -> None:
        text = self.headers.get("Authorization")
        self.token = text.removeprefix("Bearer ") if text else None
        if self.token is not None and self.token not in {**self.hub.readers, **self.hub.writers}:
            raise Refused(401, message="Invalid credentials in Authorization header")

    def user(self) -> str | None:
        return {**self.hub.readers, **self.hub.writers}.get(self.token or "")

    def check_write(self, name: str) -> None:
        if self.token is None:
            raise Refused(401, message="Invalid username or password.")
        if self.hub.writers.get(self.token) != name.partition("/")[0]:
            raise Refused(403, message=f"You don't have the rights to write to {name}")

    def readable(self, kind: str, name: str) -> Repository:
        repository = self.hub.repositories.get(("dataset" if kind == "dataset" else "model", name))
        hidden = repository is not None and repository.private and self.user() != name.partition("/")[0]
        if repository is None or hidden:
            raise Refused(401 if self.token is None else 404, "RepoNotFound", "Repository not found")
        return repository

    def at(self, repository: Repository, revision: str) -> str:
        sha = repository.sha(revision)
        if sha is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha


def route(verb: str, pattern: str) -> Callable[[Route], Route]:
    """Let a function answer requests to an address; what the expression's groups hold are its arguments."""

    def register(function: Route) -> Route:
        HubHandler.routes.append((verb, pattern, function))
        return function

    return register


# --- reading


@route("GET", "/api/whoami-v2")
def whoami(handler: HubHandler) -> None:
    if handler.user() is None:
        raise Refused(401, message="Invalid username or password.")
    handler.reply_json({"name": handler.user(), "type": "user", "orgs": []})


@route("GET", REPO)
@route("GET", REPO + "/revision/([^/]+)")
def info(handler: HubHandler, kind: str, name: str, revision: str = "main") -> None:
    repository = handler.readable(kind, name)
    sha = handler.at(repository, revision)
    files = [{"rfilename": path} for path in sorted(repository.commits[sha])]
    found = {"id": name, "sha": sha, "private": repository.private, "siblings": files, "tags": []}
    handler.reply_json(found | ({"modelId": name} if kind == "model" else {}))


@route("GET", REPO + "/refs")
def refs(handler: HubHandler, kind: str, name: str) -> None:
    branches = handler.readable(kind, name).refs.items()
    found = [{"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": sha} for branch, sha in branches]
    handler.reply_json({"branches": found, "converts": [], "tags": []})


@route("GET", REPO + "/tree/([^/]+)(?:/([^/]+))?")
def tree(handler: HubHandler, kind: str, name: str, revision: str, folder: str) -> None:
    repository = handler.readable(kind, name)
    files = repository.commits[handler.at(repository, revision)]
    recursive = handler.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    listed = list_tree(files, folder, recursive=recursive)
    if folder and not listed:
        raise Refused(404, "EntryNotFound", f"{folder} does not exist on {revision}")
    handler.reply_json(listed)


@route("POST", REPO + "/paths-info/([^/]+)")
def paths_info(handler: HubHandler, kind: str, name: str, revision: str) -> None:
    repository = handler.readable(kind, name)
    files = repository.commits[handler.at(repository, revision)]
    wanted = parse_qs(handler.body().decode())["paths"]
    folders = {entry["path"]: entry for entry in list_tree(files, "", recursive=True) if entry["type"] == "directory"}
    found = [describe_file(path, files[path]) if path in files else folders.get(path) for path in wanted]
    handler.reply_json([entry for entry in found if entry])


@route("GET", r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
def resolve(handler: HubHandler, prefix: str, name: str, revision: str, path: str) -> None:
    repository = handler.readable("dataset" if prefix else "model", name)
    sha = handler.at(repository, revision)
    content = repository.commits[sha].get(path)
    if content is None:
        raise Refused(404, "EntryNotFound", f"{path} does not exist on {revision}")
    headers = {"X-Repo-Commit": sha}
    if is_large(path, size_of(content)):
        sha256 = sha256_of(content)
        linked = {"X-Linked-ETag": f'"{sha256}"', "X-Linked-Size": str(size_of(content))}
        address = f"{handler.hub.cdn}/cdn/{prefix or 'models/'}{name}/{sha}/{quote(path)}"
        handler.reply(302, headers=headers | linked | {"Location": address})
    else:
        handler.reply_file(content, headers | {"ETag": f'"{blob_id(content)}"'})


@route("GET", r"/cdn/(model|dataset)s/([^/]+/[^/]+)/([^/]+)/(.+)")
def large_file(handler: HubHandler, kind: str, name: str, sha: str, path: str) -> None:
    content = handler.hub.repositories["dataset" if kind == "dataset" else "model", name].commits[sha].get(path)
    if content is None:
        raise Refused(404, message="NoSuchKey")
    handler.reply_file(content, {"ETag": f'"{sha256_of(content)}"'})


# --- writing


@route("POST", "/api/repos/create")
def create(handler: HubHandler) -> None:
    asked = json.loads(handler.body())
    kind: Kind = "dataset" if asked.get("type") == "dataset" else "model"
    name = f"{asked.get('organization') or handler.user()}/{asked['name']}"
    handler.check_write(name)
    url = f"{handler.hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}"
    if (kind, name) in handler.hub.repositories:
        handler.reply_json({"error": "You already created this repo", "url": url}, 409)
        return
    handler.hub.create(name, kind, private=asked.get("visibility") == "private")
    handler.reply_json({"url": url, "name": name})


@route("POST", REPO + "/branch/([^/]+)")
def create_branch(handler: HubHandler, kind: str, name: str, branch: str) -> None:
    repository = handler.readable(kind, name)
    handler.check_write(name)
    if branch in repository.refs:
        raise Refused(409, message="Reference already exists")
    start = json.loads(handler.body() or b"{}").get("startingPoint") or "main"
    repository.refs[branch] = handler.at(repository, start)
    handler.reply_json({})


@route("POST", "/api/validate-yaml")
def validate_card(handler: HubHandler) -> None:
    asked = json.loads(handler.body())
    handler.hub.cards.append(asked["content"])
    errors = [{"message": text} for text in check_card(asked["content"], asked["repoType"])]
    handler.reply_json({"errors": errors, "warnings": []}, 400 if errors else 200)


@route("POST", REPO + "/preupload/([^/]+)")
def preupload(handler: HubHandler, kind: str, name: str, revision: str) -> None:
    repository = handler.readable(kind, name)
    handler.check_write(name)
    files = repository.commits[handler.at(repository, revision)]
    answers = []
    for entry in json.loads(handler.body())["files"]:
        mode = "lfs" if is_large(entry["path"], entry["size"]) else "regular"
        answer = {"path": entry["path"], "uploadMode": mode, "shouldIgnore": False}
        if entry["path"] in files:
            there = files[entry["path"]]
            answer["oid"] = sha256_of(there) if mode == "lfs" else blob_id(there)
        answers.append(answer)
    handler.reply_json({"files": answers})


@route("POST", r"/(?:datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch")
def lfs_batch(handler: HubHandler, name: str) -> None:
    handler.check_write(name)
    objects: list[dict[str, Any]] = []
    for entry in json.loads(handler.body())["objects"]:
        upload = {"upload": {"href": f"{handler.hub.url}/lfs/{entry['oid']}"}}
        there = handler.hub.stored(entry["oid"]).exists()
        objects.append({"oid": entry["oid"], "size": entry["size"]} | ({} if there else {"actions": upload}))
    handler.reply_json({"transfer": "basic", "objects": objects})


@route("PUT", "/lfs/([0-9a-f]{64})")
def lfs_upload(handler: HubHandler, sha256: str) -> None:
    data = handler.body()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Refused(400, message="the content does not have its name")
    partial = handler.hub.folder / f".{sha256}.{id(handler)}"
    partial.write_bytes(data)
    partial.replace(handler.hub.stored(sha256))
    handler.reply(200)


@route("POST", REPO + "/commit/([^/]+)")
def commit(handler: HubHandler, kind: str, name: str, branch: str) -> None:
    repository = handler.readable(kind, name)
    handler.check_write(name)
    parent = handler.at(repository, branch)
    changes: dict[str, bytes | Path | None] = {}
    for line in handler.body().splitlines():
        entry = json.loads(line)
        key, value = entry["key"], entry["value"]
        if key == "header" and value.get("parentCommit", parent) != parent:
            raise Refused(412, message="A commit has happened since. Please refresh and try again.")
        if key == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            changes[value["path"]] = handler.hub.stored(value["oid"])
            if not handler.hub.stored(value["oid"]).exists():
                raise Refused(400, message=f"LFS pointer pointed to a file that does not exist: {value['path']}")
        elif key == "deletedFile":
            changes[value["path"]] = None
        elif key == "deletedFolder":
            changes |= {path: None for path in repository.commits[parent] if path.startswith(value["path"])}
    sha = repository.commit(changes, branch)
    prefix = "datasets/" if kind == "dataset" else ""
    url = f"{handler.hub.url}/{prefix}{name}/commit/{sha}"
    handler.reply_json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": "", "pullRequestUrl": None})
