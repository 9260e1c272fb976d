"""An OpenADR 3 server (VTN) for tests: 3.1 and 3.0.1 over HTTP, in memory, faults on demand."""

import datetime
import http.server
import json
import secrets
import threading
import time
import urllib.parse

CLIENT = ("plant", "s3cret / &=")


def rfc3339(at):
    return at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Vtn:
    """What a server knows. `faults` are taken one by one, each for one request to the API:
    "500", "429", "half", "hang-up"."""

    def __init__(self, version="3.1", port=0, token_lasts=3600):
        self.version = version
        self.token_lasts = token_lasts
        self.lock = threading.RLock()
        self.vens, self.resources, self.reports = [], [], []
        self.programs = [{"id": "prog-1", "objectType": "PROGRAM", "programName": "peak-day"}]
        self.events = []
        self.tokens = {}  # -> when it ends
        self.tokens_given = 0
        self.requests = []  # (method, path)
        self.problems = []  # what a client must not do
        self.faults = []
        self.numbers = 0
        self.port = port
        self.server = None

    # --- life --------------------------------------------------------------------------------

    def start(self):
        vtn = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                vtn.handle(self, "GET")

            def do_POST(self):
                vtn.handle(self, "POST")

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        """Nobody listens any more; what it knows stays."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/openadr3/{self.version}"

    # --- what a utility does -----------------------------------------------------------------

    def add_event(self, start, duration, payloads, **more):
        with self.lock:
            self.numbers += 1
            now = rfc3339(datetime.datetime.now(datetime.timezone.utc))
            event = {"id": f"event-{self.numbers}", "objectType": "EVENT", "programID": "prog-1",
                     "createdDateTime": now, "modificationDateTime": now,
                     "intervalPeriod": {"start": start, "duration": duration},
                     "intervals": [{"id": i, "payloads": [
                         {"type": kind, "values": [value]} for kind, value in each.items()]}
                         for i, each in enumerate(payloads)], **more}
            self.events.append(event)
            return event

    def change(self, event, **more):
        with self.lock:
            event.update(more)
            later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
            event["modificationDateTime"] = rfc3339(later)

    def delete(self, event):
        with self.lock:
            self.events.remove(event)

    def forget_tokens(self):
        with self.lock:
            self.tokens.clear()

    def reports_of(self, event):
        with self.lock:
            return [each for each in self.reports if each["eventID"] == event["id"]]

    # --- HTTP --------------------------------------------------------------------------------

    def handle(self, request, method):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        url = urllib.parse.urlsplit(request.path)
        prefix = f"/openadr3/{self.version}"
        path = url.path.removeprefix(prefix)
        query = {k: v for k, v in urllib.parse.parse_qs(url.query).items()}
        with self.lock:
            self.requests.append((method, path))
            if method == "GET" and "Content-Type" in request.headers:
                self.problems.append("a GET with a Content-Type")
            fault = self.faults.pop(0) if self.faults and not path.startswith("/auth") else None
            if fault == "500":
                return self.reply(request, 500, {"title": "it broke", "status": 500})
            if fault == "429":
                return self.reply(request, 429, {"title": "slower"}, {"Retry-After": "2"})
            if fault == "hang-up":
                request.close_connection = True
                return request.connection.close()
            status, answer = self.answer(method, path, query, body, request.headers)
        self.reply(request, status, answer, half=fault == "half")

    @staticmethod
    def reply(request, status, answer, headers=None, half=False):
        data = json.dumps(answer).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            for key, value in (headers or {}).items():
                request.send_header(key, value)
            request.end_headers()
            request.wfile.write(data[:len(data) // 2] if half else data)
            if half:
                request.close_connection = True
        except OSError:
            pass

    def answer(self, method, path, query, body, headers):
        if path == "/auth/server" and self.version.startswith("3.1"):
            return 200, {"tokenURL": f"{self.url}/auth/token"}
        if path == "/auth/token" and method == "POST":
            return self.give_token(body, headers)
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < time.monotonic():
            return 401, {"title": "unauthorized", "status": 401}
        if method == "GET":
            return self.list_objects(path, query)
        return self.create(path, json.loads(body))

    def give_token(self, body, headers):
        form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode()).items()}
        if headers["Content-Type"] != "application/x-www-form-urlencoded":
            self.problems.append("a token was asked for without a form")
        if (form.get("client_id"), form.get("client_secret")) != CLIENT:
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != "client_credentials" or "write_reports" not in form["scope"]:
            return 400, {"error": "invalid_scope"}
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + self.token_lasts
        self.tokens_given += 1
        return 200, {"access_token": token, "token_type": "Bearer",
                     "expires_in": self.token_lasts}

    def list_objects(self, path, query):
        def has(each, key, name):
            return name not in query or each.get(key) == query[name][0]

        lists = {"/vens": [e for e in self.vens if has(e, "venName", "venName")],
                 "/programs": self.programs, "/events": self.events,
                 "/reports": [e for e in self.reports if has(e, "eventID", "eventID")
                              and has(e, "clientName", "clientName")]}
        lists[self.resource_path()] = [
            e for e in self.resources if has(e, "resourceName", "resourceName")]
        if path not in lists:
            return 404, {"title": "not found", "status": 404}
        skip, limit = int(query["skip"][0]), int(query["limit"][0])
        if limit > 50:
            return 400, {"title": "limit", "status": 400}
        return 200, lists[path][skip:skip + limit]

    def resource_path(self):
        return "/resources" if self.version.startswith("3.1") else "/vens/ven-1/resources"

    def create(self, path, made):
        new = self.version.startswith("3.1")
        kinds = {"/vens": (self.vens, "venName", "ven", "VEN_VEN_REQUEST" if new else "VEN"),
                 self.resource_path(): (self.resources, "resourceName", "resource",
                                        "VEN_RESOURCE_REQUEST" if new else "RESOURCE"),
                 "/reports": (self.reports, "reportName", "report", None)}
        if path not in kinds:
            return 404, {"title": "not found", "status": 404}
        objects, key, prefix, kind = kinds[path]
        if made.get("objectType") != kind:
            return 400, {"title": "objectType", "detail": str(made.get("objectType"))}
        required = {"/reports": ["eventID", "clientName", "resources"] + ([] if new else
                                                                            ["programID"])}
        if any(name not in made for name in required.get(path, [key])):
            return 400, {"title": "a field is missing"}
        if any(each[key] == made[key] for each in objects):
            return 409, {"title": "there is one", "status": 409}
        made["id"] = f"{prefix}-{len(objects) + 1}"
        objects.append(made)
        return 201, made
