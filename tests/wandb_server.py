"""A stand-in for W&B's server on the loopback interface: it takes what W&B's tools send, and remembers it.

It answers just the questions that `wandb sync` and saving a workspace ask (wandb 0.31), and says yes to all of them:
what it proves is what is sent, not that W&B accepts it.
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "cA==", "name": "project", "entity": {"id": "ZQ==", "name": "team"}}
RUN = {"id": "aWQ=", "displayName": "", "description": None, "config": "{}", "sweepName": None, "historyLineCount": 0}
VIEWER = {"id": "dQ==", "entity": "team", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
ARTIFACT = {"id": "YQ==", "state": "COMMITTED", "artifactSequence": {"latestArtifact": {"id": "YQ=="}}}


class Server(ThreadingHTTPServer):
    """Remembers requests.

    Attributes:
        knows_you: whether it accepts the API key.
        refuses: what it says to every request, as with a team that there isn't; empty: nothing.
        asked: (name, variables) of each GraphQL request.
        streamed: lines by file, as "wandb-history.jsonl", of what runs stream.
        uploaded: bytes by file name.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.knows_you = True
        self.refuses = ""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.streamed: dict[str, list[str]] = {}
        self.uploaded: dict[str, bytes] = {}

    def variables(self, name: str) -> list[dict[str, Any]]:
        """Of every GraphQL request of a name."""
        return [variables for asked, variables in self.asked if asked == name]

    def answer(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Data for a GraphQL request."""
        self.asked.append((name, variables))
        match name:
            case "UpsertBucket":
                bucket = {**RUN, "name": variables["name"], "project": PROJECT}
                return {"upsertBucket": {"bucket": bucket, "inserted": True}}
            case "CreateArtifact":
                return {"createArtifact": {"artifact": ARTIFACT}}
            case "CreateRunFiles":
                files = [{"name": file, "uploadUrl": f"{self.url}/upload/{file}"} for file in variables["files"]]
                return {"createRunFiles": {"runID": "aWQ=", "uploadHeaders": [], "files": files}}
            case "Viewer":
                return {"viewer": VIEWER if self.knows_you else None}
            case "RunResumeStatus":
                return {"model": {**PROJECT, "bucket": self.resumed(variables["name"])}}
            case "UpsertView2":
                return {"upsertView": {"view": {"id": "dg==", "name": variables["name"]}, "inserted": True}}
        return {"serverInfo": {"features": []}}

    def resumed(self, name: str) -> dict[str, Any] | None:
        """What it has of a run that wants to go on; it knows of one run alone."""
        history, events = (self.streamed.get(f"wandb-{kind}.jsonl", []) for kind in ("history", "events"))
        if not history:
            return None
        lines = {"historyLineCount": len(history), "eventsLineCount": len(events), "logLineCount": 0}
        tails = {"historyTail": json.dumps(history[-1:]), "eventsTail": json.dumps(events[-1:])}
        return {**RUN, **lines, **tails, "name": name, "summaryMetrics": history[-1], "wandbConfig": '{"t": 1}'}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up when they are done."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        """Not on the screen."""

    def body(self) -> bytes:
        """What came with it."""
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def reply(self, answer: dict[str, Any], status: int = 200) -> None:
        """JSON."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        """A file."""
        self.server.uploaded[self.path.removeprefix("/upload/")] = self.body()
        self.reply({})

    def do_POST(self) -> None:
        """GraphQL, a piece of a run's streams, or the client's own telemetry."""
        body = self.body()
        sent = json.loads(body) if self.path.endswith(("/graphql", "/file_stream")) else {}
        if self.path == "/graphql" and self.server.refuses:
            self.reply({"errors": [{"message": self.server.refuses}]}, 403)
        elif self.path == "/graphql":
            name = sent.get("operationName") or sent["query"].split("(")[0].split()[-1]
            self.reply({"data": self.server.answer(name, sent.get("variables") or {})})
        else:
            for name, piece in sent.get("files", {}).items():
                lines, at = self.server.streamed.setdefault(name, []), piece["offset"]
                lines[at : at + len(piece["content"])] = piece["content"]
            self.reply({})


@contextmanager
def wandb_server() -> Iterator[Server]:
    """A running server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
