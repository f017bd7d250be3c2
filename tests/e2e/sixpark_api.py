#!/usr/bin/env python3
"""sixpark_api.py - Six Park's webhooks API as its document shows it, on a port of this host

    sixpark_api.py FOLDER

Writes its port to FOLDER/port when it listens, each request to FOLDER/requests (one JSON object a line),
and answers as FOLDER/mode says, read anew for each: "good" (or nothing), "no-token" (the answer lacks the
signature_token), "refuse" (403), "broken" (200 and no JSON). Ends when FOLDER is gone or after 60 s without a request.
"""
import http.server, json, os, sys, urllib.parse

folder = sys.argv[1]
TOKEN = "b7bcf4a088215ed9396b07c9e8b931a5697bc0c4"
ID = "330acf46d-ce50-4788-a219-1de5ae9ac484"
ACCESS = "access-token-of-the-test"
webhooks = {}


def mode():
    try:
        with open(folder + "/mode") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "good"


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, status, value=None):
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value, indent=2).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def webhook(self, id):
        value = {"id": id, "type": "webhook", "attributes": dict(webhooks[id], signature_token=TOKEN),
                 "links": {"self": "https://app.sixpark.com.au/api/v1/webhooks/" + id}}
        if mode() == "no-token":
            del value["attributes"]["signature_token"]
        return {"data": value}

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open(folder + "/requests", "a") as file:
            file.write(json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers),
                                   "body": body}) + "\n")
        if self.headers.get("Authorization") != "Bearer " + ACCESS or self.headers.get("Accept") != "application/json":
            return self.answer(401, {"errors": [{"title": "unauthorized"}]})
        if mode() == "refuse":
            return self.answer(403, {"errors": [{"title": "forbidden"}]})
        if mode() == "broken":
            return self.answer(200, b"<html>busy</html>")
        path = self.path.split("/")
        if self.command == "POST" and self.path == "/api/v1/webhooks":
            form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
            if self.headers.get("Content-Type") != "application/x-www-form-urlencoded" or set(form) != {"url", "description"}:
                return self.answer(422, {"errors": [{"title": "unprocessable"}]})
            webhooks[ID] = form
            return self.answer(201, self.webhook(ID))
        if path[:4] == ["", "api", "v1", "webhooks"] and len(path) == 5 and path[4] in webhooks:
            if self.command == "GET":
                return self.answer(200, self.webhook(path[4]))
            if self.command == "DELETE":
                del webhooks[path[4]]
                return self.answer(204)
        return self.answer(404, {"errors": [{"title": "not found"}]})

    do_GET = do_POST = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    timeout = 60
    given_up = False

    def handle_timeout(self):
        self.given_up = True


server = Server(("127.0.0.1", 0), Api)
with open(folder + "/port.new", "w") as file:
    file.write(str(server.server_port))
os.rename(folder + "/port.new", folder + "/port")
while os.path.isdir(folder) and not server.given_up:
    server.handle_request()
