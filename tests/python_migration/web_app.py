"""One request to a web application with Python's `logto`, whose sessions are rows of a database.

`web_app.py <endpoint> <database> <session> sign-in`, `… callback <url>`, `… claims`, or
`… token <resource>`. Prints JSON.
"""

import asyncio
import json
import sqlite3
import sys

from logto import LogtoClient, LogtoConfig, Storage, UserInfoScope

RESOURCE = "https://api.example.com"
REDIRECT_URI = "http://localhost:3000/callback"


class Row(Storage):
    """One session, as JSON in one row."""

    def __init__(self, database, session):
        self.connection = sqlite3.connect(database)
        self.connection.execute("CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, data TEXT NOT NULL)")
        self.session = session

    def get(self, key):
        return self.load().get(key)

    def set(self, key, value):
        self.save({**self.load(), key: value})

    def delete(self, key):
        self.save({name: value for name, value in self.load().items() if name != key})

    def load(self):
        row = self.connection.execute("SELECT data FROM sessions WHERE id = ?", [self.session]).fetchone()
        return json.loads(row[0]) if row else {}

    def save(self, values):
        with self.connection:
            self.connection.execute("REPLACE INTO sessions VALUES (?, ?)", [self.session, json.dumps(values)])


async def answer(client, action, argument):
    if action == "sign-in":
        return await client.signIn(REDIRECT_URI)
    if action == "callback":
        return await client.handleSignInCallback(argument)
    if action == "claims":
        return client.getIdTokenClaims().model_dump(exclude_none=True)
    if action == "token":
        return await client.getAccessToken(argument)
    raise ValueError(action)


def main(endpoint, database, session, action, argument=None):
    config = LogtoConfig(
        endpoint=endpoint,
        appId="app",
        appSecret="secret",
        resources=[RESOURCE],
        scopes=[UserInfoScope.email, UserInfoScope.organizations, "read:items"],
    )
    client = LogtoClient(config, Row(database, session))
    print(json.dumps(asyncio.run(answer(client, action, argument))))


main(*sys.argv[1:])
