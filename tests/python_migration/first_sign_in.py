"""Runs the code of the guide that is its standard input, and prints what it prints."""

import ast
import asyncio
import sys
import urllib.error
import urllib.request

from logto import Storage


class Memory(Storage):
    """The SDK's own prints a warning at each call."""

    def __init__(self):
        self.values = {}

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def browser(url):
    """Where the server sends the user, who is signed in there."""
    try:
        urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({})).open(url)
    except urllib.error.HTTPError as answer:
        return answer.headers["location"]


code = compile(sys.stdin.read(), "guide", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def main():
    await eval(code, {"storage": Memory(), "browser": browser})


asyncio.run(main())
