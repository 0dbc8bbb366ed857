"""Python's `logto` as a program that takes part; see ../README.md.

`worker.py <endpoint>` does what it is told; `worker.py <endpoint> cold` prints one sign-in URL.
"""

import asyncio
import sys
import time

from logto import LogtoClient, LogtoConfig, Storage

REDIRECT_URI = "http://127.0.0.1:3000/callback"
CALLS = 50
EXPIRED = '{"x":{"":{"token":"expired","expiresAt":1}}}'


class Memory(Storage):
    """The library's own prints a warning at each call."""

    def __init__(self):
        self._values = {}

    def get(self, key):
        return self._values.get(key)

    def set(self, key, value):
        self._values[key] = value

    def delete(self, key):
        self._values.pop(key, None)


class Nowhere(Storage):
    def get(self, key):
        return None

    def set(self, key, value):
        pass

    def delete(self, key):
        pass


class Worker:
    def __init__(self, endpoint):
        self.config = LogtoConfig(endpoint=endpoint, appId="app", appSecret="secret")

    def client(self, storage=None):
        return LogtoClient(self.config, storage or Memory())

    async def prepare(self, row):
        """What one iteration of a row does; `None` if there is no such row."""
        name, _, argument = row.partition("-")
        method = getattr(self, row.replace("-", "_"), None)
        if name == "verify":
            return await self.verify(argument.upper())
        return await method() if method else None

    async def verify(self, algorithm):
        core = await self.client().getOidcCore()
        tokens = await core.fetchTokenByCode(
            clientId="app", clientSecret="secret", redirectUri=REDIRECT_URI, code=f"{algorithm}~", codeVerifier="verifier"
        )

        async def work():
            core.verifyIdToken(tokens.id_token, "app")

        return work

    async def cached_one(self):
        client = self.client()
        await sign_in(client)

        async def work():
            assert await client.getAccessToken() is not None

        return work

    async def cached_new(self):
        storage = Memory()
        await sign_in(self.client(storage))

        async def work():
            assert await self.client(storage).getAccessToken() is not None

        return work

    async def url_alone(self):
        client = self.client(Nowhere())

        async def work():
            await client.signIn(REDIRECT_URI)

        return work

    async def url(self):
        client = self.client()

        async def work():
            await client.signIn(REDIRECT_URI)

        return work

    async def url_new(self):
        async def work():
            await self.client().signIn(REDIRECT_URI)

        return work

    async def callback_one(self):
        client = self.client()

        async def work():
            await sign_in(client)

        return work

    async def callback_new(self):
        async def work():
            storage = Memory()
            url = await self.client(storage).signIn(REDIRECT_URI)
            await self.client(storage).handleSignInCallback(callback(url))

        return work

    async def refresh_one(self):
        storage = Memory()
        client = self.client(storage)
        await sign_in(client)

        async def work():
            storage.set("accessTokenMap", EXPIRED)
            await asyncio.gather(*(client.getAccessToken() for _ in range(CALLS)))

        return work

    async def refresh_fifty(self):
        storage = Memory()
        await sign_in(self.client(storage))

        async def work():
            storage.set("accessTokenMap", EXPIRED)
            clients = [self.client(storage) for _ in range(CALLS)]
            await asyncio.gather(*(client.getAccessToken() for client in clients))

        return work

    async def is_refused(self, defect):
        client = self.client()
        try:
            await client.handleSignInCallback(callback(await client.signIn(REDIRECT_URI), defect))
        except Exception:
            return True
        return False


def callback(url, defect=""):
    """Where the browser comes back to. The library sends no nonce; the code asks for one."""
    start = url.index("&state=") + len("&state=")
    state = url[start : start + 43]
    return f"{REDIRECT_URI}?code=ES384~nonce~{defect}&state={state}"


async def sign_in(client):
    await client.handleSignInCallback(callback(await client.signIn(REDIRECT_URI)))


async def main(endpoint, is_cold):
    worker = Worker(endpoint)
    if is_cold:
        print(await worker.client().signIn(REDIRECT_URI))
        return
    prepared = {}
    for line in sys.stdin:
        row, _, argument = line.rstrip("\n").partition(" ")
        if row == "check":
            print("refused" if await worker.is_refused(argument) else "accepted", flush=True)
            continue
        if row not in prepared:
            prepared[row] = await worker.prepare(row)
        work = prepared[row]
        if work is None:
            print("-", flush=True)
            continue
        iterations = int(argument)
        started = time.perf_counter_ns()
        for _ in range(iterations):
            await work()
        print((time.perf_counter_ns() - started) / max(iterations, 1), flush=True)


asyncio.run(main(sys.argv[1], len(sys.argv) > 2))
