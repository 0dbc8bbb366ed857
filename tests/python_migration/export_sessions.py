"""Prints each session as a line of JSON: the value of its cookie, and what `logto` has stored in it."""

import json
import sqlite3
import sys

KEYS = ["idToken", "refreshToken", "accessTokenMap", "signInSession"]

# Here goes what your application keeps its sessions in, without those that have expired.
sessions = sqlite3.connect(sys.argv[1]).execute("SELECT id, data FROM sessions")

for cookie, data in sessions:
    session = json.loads(data)
    values = {key: session[key] for key in KEYS if session.get(key) is not None}
    if values:
        print(json.dumps({"cookie": cookie, "values": values}))
