"""Renders templates with Python's Jinja2, set up as transformers sets it up for chat templates.

Reads JSON from standard input: {"templates": {name: source}, "variables": {...}, "now": [year, ...]}.
Writes JSON: {"version": "...", "rendered": {name: {"text": ...} or {"error": ...}}}.
"""

import json
import sys
from datetime import datetime

import jinja2
from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """The block that marks what an assistant generated, which does not change the text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("written")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def written(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def raise_exception(message):
    raise TemplateError(message)


def main():
    asked = json.load(sys.stdin)
    now = datetime(*asked["now"])
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = now.strftime
    rendered = {}
    for name, source in asked["templates"].items():
        try:
            text = environment.from_string(source).render(**asked["variables"])
            rendered[name] = {"text": text}
        except Exception as error:  # Any refusal is a result.
            rendered[name] = {"error": f"{type(error).__name__}: {error}"}
    json.dump({"version": jinja2.__version__, "rendered": rendered}, sys.stdout)


main()
