"""Talks to a vppd over its control socket (docs/control-api.md). Standard library only."""

import http.client
import json
import socket


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("vppd", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Unreachable(Exception):
    """No daemon answers on the socket."""


class Refused(Exception):
    """The daemon answered with an error document."""

    def __init__(self, status, document):
        super().__init__(f"{status} {document.get('code')}: {document.get('text')}")
        self.status = status
        self.document = document


def request(path, route, body=None, timeout=5.0):
    """One document. Raises Unreachable or Refused."""
    connection = _UnixConnection(str(path), timeout)
    try:
        if body is None:
            connection.request("GET", route)
        else:
            connection.request("POST", route, json.dumps(body),
                               {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{path}: {error}") from error
    finally:
        connection.close()
    if answer.getheader("Content-Type", "").startswith("application/json"):
        document = json.loads(data)
        if answer.status >= 400:
            raise Refused(answer.status, document)
        return document
    return data.decode()


def get_http(port, route, timeout=5.0):
    """One JSON document over loopback TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", route)
        answer = connection.getresponse()
        return json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"127.0.0.1:{port}{route}: {error}") from error
    finally:
        connection.close()
