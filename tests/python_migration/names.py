"""Prints every public name of the Python SDK as JSON: classes with their members, functions and constants."""

import importlib
import inspect
import json
import pathlib

import logto


def modules():
    root = pathlib.Path(logto.__file__).parent
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        if not parts[-1].endswith("test"):
            yield importlib.import_module(".".join(parts).removesuffix(".__init__"))


def is_public(name):
    return not name.startswith("_")


def members(cls):
    if hasattr(cls, "model_fields"):
        return list(cls.model_fields)
    if hasattr(cls, "__members__"):
        return list(cls.__members__)
    inherited = {name for base in cls.__mro__[1:-1] for name in vars(base)}
    return [name for name in vars(cls) if name not in inherited and (is_public(name) or name == "__init__")]


def names(module):
    text = inspect.getsource(module)
    for name, value in vars(module).items():
        if not is_public(name) or inspect.ismodule(value):
            continue
        if getattr(value, "__module__", module.__name__) == module.__name__ and callable(value):
            yield name
            if inspect.isclass(value):
                yield from (f"{name}.{member}" for member in members(value))
        elif f"\n{name} = " in text:
            yield name


print(json.dumps([name for module in modules() for name in names(module)]))
