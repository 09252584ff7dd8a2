"""The smallest server that survives each rotation action: see ../README.md."""
import http.client
import http.server
import json
import os
import signal
import socket
import threading


def current():
    """restart, overlap, exit: the environment is right for as long as this process lives. signal, none: new values are at the live channel."""
    if "VWRAP_LIVE" not in os.environ:
        return os.environ
    connection = http.client.HTTPConnection("vwrap")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["VWRAP_LIVE"])
    try:
        connection.request("GET", "/v1/env")
        return json.load(connection.getresponse())
    finally:
        connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"python {os.getpid()} {current()['API_KEY']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # what is under way is finished


held = "LISTEN_FDS" in os.environ  # the socket that vwrap holds (rotation.listen)
server = Server(("127.0.0.1", 3000), Handler, bind_and_activate=not held)
if held:
    server.socket.close()
    server.socket = socket.socket(fileno=3)
    server.socket.setblocking(False)  # two generations accept: the one that comes late must not wait for the next connection

# TERM: take no more connections, finish what is under way, end.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
# HUP: there are new values. Each request asks for them anyway; without this line it would kill.
signal.signal(signal.SIGHUP, lambda *_: None)
server.serve_forever(poll_interval=0.05)
server.server_close()
