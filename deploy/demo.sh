#!/bin/sh
# One command on a fresh machine: a whole Kairos on an embedded broker plays a shop's day. Arguments go to `kairos demo`.
here="$(dirname "$0")"
set -- embedded "$@"
. "$here/env.sh"
shift
exec .venv/bin/kairos demo "$@"
