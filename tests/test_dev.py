"""`kairos dev --http`: a newcomer asks the reader of a whole Kairos on one machine, without Kafka."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.cluster import free_port
from tests.test_demo import environment

READY_S, STOP_S = 60, 30


def asked(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_whole_kairos_on_one_machine_answers_over_http_where_asked_to(tmp_path: Path) -> None:
    pytest.importorskip("noida_db", reason="the embedded broker is not installed: pip install 'kairos[embedded]'")
    port = free_port()
    command = [sys.executable, "-m", "app", "dev", "--port", "0", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            broker, http = process.stdout.readline(), process.stdout.readline()
            assert broker.startswith("broker 127.0.0.1:") and http.startswith(f"http 127.0.0.1:{port}")
            until = time.monotonic() + READY_S
            while (status := asked(port, "/readyz")[0]) != 200 and time.monotonic() < until:
                time.sleep(0.2)
            assert status == 200
            about = asked(port, "/reader")[1]
            assert about["ready"] and about["partitions"] == [0, 1]
            assert asked(port, "/reader/decisions?partition=0") == (200, {"decisions": [], "after": None})
            assert asked(port, "/reader/decisions?partition=0&foo=1")[0] == 400
            assert asked(port, "/reader/people/ann")[0] == 404
            read = ["decisions", "--reader", f"127.0.0.1:{port}"]
            env = {**environment(), "KAIROS_BROKER": broker.split()[1]}
            ran = subprocess.run([sys.executable, "-m", "app", *read], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
            assert (ran.returncode, ran.stderr) == (1, "kairos: no decision\n")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0


@pytest.mark.parametrize("address", ["9100", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused_before_anything_starts(call: Any, address: str) -> None:
    for command in (["dev", "--port", "0"], ["worker"]):
        code, out, err = call(*command, "--http", address)
        assert (code, out) == (2, "") and err == f"kairos: --http wants HOST:PORT, not {address!r}\n"
