"""A program that uses a new value without a restart. Run it by:

vwrap --on-rotate signal -e 'API_KEY=vault:secret/dev/api#key' -- python3 app.py
"""
import http.client
import json
import os
import signal
import socket


def current():
    connection = http.client.HTTPConnection("vwrap")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["VWRAP_LIVE"])
    connection.request("GET", "/v1/env")
    return json.load(connection.getresponse())


def use(config):
    # Stands for what a program does with a key: it shows that it has one, and which process it is.
    print(f"python {os.getpid()} uses {config['API_KEY']}", flush=True)


signal.signal(signal.SIGHUP, lambda *_: use(current()))
use(os.environ)
while True:
    signal.pause()
