# Sourced by demo.sh and test.sh: makes .venv once and installs the extra it is given; touches nothing outside the checkout.
# A stamp holds what was installed, so that the second run is fast.
set -eu
cd "$(dirname "$0")/.."
extra="$1"
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found $("$python" -V 2>&1). Set PYTHON." >&2; exit 3; }
[ -x .venv/bin/python ] || "$python" -m venv .venv
want="$extra $(cksum < pyproject.toml)"
stamp=".venv/kairos-$extra"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
  echo "Installing Kairos [$extra] into .venv ..."
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extra]" || { echo "Installing failed (see above)." >&2; exit 3; }
  echo "$want" > "$stamp"
fi
