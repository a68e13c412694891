# SPDX-License-Identifier: Apache-2.0
import subprocess
import time
from pathlib import Path

from bench.templates import MARKING_SCRIPT, marking, only_server


def test_the_script_notes_its_change_and_its_start(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(MARKING_SCRIPT)
    script.chmod(0o755)
    noted = tmp_path / "marks"

    began = time.time()
    subprocess.run([script], env={"change": "7", "marks": str(noted)}, check=True)

    change, at = noted.read_text().split()
    assert change == "7"
    assert began - 0.1 <= float(at) <= time.time() + 0.1


def test_a_marking_stack_names_both_transports() -> None:
    made = marking("POLL_SERVER_CFN", "CFN_SIGNAL", {"os-collect-config": {}})["resources"]

    assert made["server"]["properties"]["software_config_transport"] == "POLL_SERVER_CFN"
    assert made["deployment"]["properties"]["signal_transport"] == "CFN_SIGNAL"
    assert made["server"]["metadata"] == {"os-collect-config": {}}


def test_a_server_alone_has_its_metadata_and_no_parameters() -> None:
    made = only_server("ZAQAR_MESSAGE", {"change": "3"})

    assert list(made["resources"]) == ["server"]
    assert made["resources"]["server"]["metadata"] == {"change": "3"}
    assert made["parameters"] == {}
    assert "metadata" not in only_server("ZAQAR_MESSAGE")["resources"]["server"]
