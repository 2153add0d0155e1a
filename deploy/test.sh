#!/bin/sh
# The test command: lint, types, then pytest (arguments go to pytest), file by file in two
# processes: many of them mostly wait for Kafka. Starts a real Kafka itself if Java 17 and Maven are there.
here="$(dirname "$0")"
set -- test "$@"
. "$here/env.sh"
shift
.venv/bin/ruff check app tests
.venv/bin/mypy
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
