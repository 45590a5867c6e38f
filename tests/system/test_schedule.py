"""The role ``schedule``: a real cron in a container makes dumps appear; systemd's units are right by its own judgement.

Docker's socket is the only way out of that container: it stands for the host that runs Ansible.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import yaml

from .conftest import CronHost, Project, Server

# Cron comes round once a minute: two dumps take up to two of them, and the runs themselves.
WAIT_S = 200


def test_cron_makes_dumps_appear(start_server: Any, cron_host: CronHost, tmp_path: pathlib.Path) -> None:
    server: Server = start_server(os.environ.get("BULKHEAD_POSTGRES15_IMAGE", "bulkhead/postgres:15"))
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS g")
    described = {
        "clusters": {"main": {"container": server.name}},
        "backup_root": str(tmp_path / "backups"),
        "state_dir": str(tmp_path / "state"),
        "databases": {"postgres": {"cluster": "main", "backup": {"schedule": "* * * * *", "retention": {"last": 2}}}},
    }
    inventory = tmp_path / "inventory.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"here": dict(local, bulkhead_platform=described)}}}))
    settings = {
        "schedule_inventory": str(inventory),
        "schedule_every_minutes": 1,
        "schedule_jitter_s": 1,
        "schedule_ansible_playbook": "/usr/local/bin/ansible-playbook",
        "schedule_environment": {"ANSIBLE_COLLECTIONS_PATH": cron_host.collections},
    }
    play = ("ansible-playbook", "bulkhead.stack.schedule", "-e", json.dumps(settings))
    check = cron_host.run(*play, "--check")
    assert check.returncode == 0, check.stdout
    assert "changed=3" in check.stdout
    done = cron_host.run(*play)
    assert (done.returncode, "changed=3" in done.stdout) == (0, True), done.stdout
    assert "changed=0" in cron_host.run(*play).stdout

    folder = tmp_path / "backups" / "postgres"
    deadline = time.monotonic() + WAIT_S
    while len(list(folder.glob("*.manifest.json"))) < 2:
        assert time.monotonic() < deadline, cron_host.run("cat", "/var/log/bulkhead-backup.log").stdout
        time.sleep(0.5)
    lines = [json.loads(line) for line in (tmp_path / "state" / "backup.jsonl").read_text().splitlines()]
    assert {line["state"] for line in lines} == {"ok"}

    # Where all is well the script tells nothing; where something failed it tells what, and so cron mails it.
    eventually_free(cron_host)
    well = cron_host.run("/usr/local/sbin/bulkhead-backup")
    assert (well.returncode, well.stdout) == (0, ""), well.stdout
    log = cron_host.run("cat", "/var/log/bulkhead-backup.log").stdout
    assert "ended with exit status 0" in log
    Project.docker("stop", "-t", "0", server.name)
    deadline = time.monotonic() + WAIT_S
    failed = cron_host.run("/usr/local/sbin/bulkhead-backup")
    # Until a dump is due again there is nothing that can fail.
    while failed.returncode == 0:
        assert time.monotonic() < deadline, "no dump fell due"
        failed = cron_host.run("/usr/local/sbin/bulkhead-backup")
    assert failed.returncode == 2
    assert "isn't running" in failed.stdout
    assert "1 failed" in failed.stdout

    rotated = cron_host.run("logrotate", "--force", "/etc/logrotate.d/bulkhead-backup")
    assert rotated.returncode == 0, rotated.stdout
    assert cron_host.run("test", "-s", "/var/log/bulkhead-backup.log.1").returncode == 0
    gone = cron_host.run(*play, "-e", "schedule_state=absent")
    assert gone.returncode == 0, gone.stdout
    left = cron_host.run("sh", "-c", "ls /etc/cron.d /etc/logrotate.d /usr/local/sbin")
    assert "bulkhead" not in left.stdout


def eventually_free(host: CronHost) -> None:
    """Wait until no run of cron's holds the lock."""
    deadline = time.monotonic() + WAIT_S
    while host.run("flock", "-n", "/run/lock/bulkhead-backup.lock", "true").returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_systemd_finds_the_units_right(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("{}")
    folders = {name: tmp_path / name for name in ("cron.d", "systemd", "logrotate.d")}
    for folder in folders.values():
        folder.mkdir()
    settings = {
        "schedule_by": "systemd",
        "schedule_inventory": str(inventory),
        "schedule_script": str(tmp_path / "backup"),
        "schedule_cron_dir": str(folders["cron.d"]),
        "schedule_systemd_dir": str(folders["systemd"]),
        "schedule_logrotate_dir": str(folders["logrotate.d"]),
        "schedule_every_minutes": 30,
    }

    def play(**changes: Any) -> str:
        argv = ["ansible-playbook", "bulkhead.stack.schedule", "-e", json.dumps(dict(settings, **changes))]
        variables = dict(environment, ANSIBLE_PYTHON_INTERPRETER=sys.executable)
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode == 0) is not bool(changes.get("schedule_inventory")), done.stdout
        return done.stdout

    assert "changed=3" in play()
    assert "changed=0" in play()
    units = [str(folders["systemd"] / ("bulkhead-backup." + kind)) for kind in ("service", "timer")]
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    calendar = subprocess.run(["systemd-analyze", "calendar", "*:0/30"], capture_output=True, text=True, check=False)
    assert calendar.returncode == 0
    assert "OnCalendar=*:0/30" in (folders["systemd"] / "bulkhead-backup.timer").read_text()
    # The other way takes the timer's files away: both together would run it twice.
    assert "changed=" in play(schedule_by="cron")
    assert (list(folders["systemd"].iterdir()), (folders["cron.d"] / "bulkhead-backup").exists()) == ([], True)
    assert "name the inventory with the description by its absolute path" in play(schedule_inventory="inventories/mine")
