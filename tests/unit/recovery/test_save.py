# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery set holds, when another is due, which go, and what is left where making one fails."""

import io
import json
import tarfile
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._compose.document import Document
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.dotenv import literal, read_certain, read_dotenv
from ansible_collections.bulkhead.stack.plugins.module_utils._compose.placement import EnvironmentState
from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import (
    ConflictError,
    InputError,
    OutsideError,
    StateError,
)
from ansible_collections.bulkhead.stack.plugins.module_utils._dumps.catalogue import look
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.needs import Place, Project
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.save import check_request, save, save_all
from ansible_collections.bulkhead.stack.plugins.module_utils._recovery.sets import expired, leftovers, sets_of

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc)
FILE = "/srv/n8n/compose.yml"
SECRET = "a-key-that-must-not-be-shown"
SERVICE = {"service": "n8n", "container": "n8n", "path": FILE}
OPTIONS: Dict[str, Any] = {
    "key": "n8n",
    "database": "n8n_db",
    "keep": 2,
    "needs": [{"variable": "KEY"}, {"file": "/srv/key.pem"}, {"what": "the safe"}],
    "volumes": [{"target": "/data"}, {"name": "/srv/up"}],
    "services": [SERVICE],
    "server": None,
}
FIRST = "recovery_n8n_db_20261124_020000.tar.age"


class Host:
    """A host in memory: compose project, container, files; it is read as adapters would."""

    has_engine = True

    def __init__(self, compose: str = "services: {n8n: {image: n8n}}", env: str = "KEY=%s\n" % SECRET) -> None:
        self.compose, self.env, self.own_env = compose, env, ""
        self.held: List[str] = []
        self.mounts = [{"Type": "volume", "Name": "v", "Destination": "/data"}]
        self.files: Dict[str, Dict[str, bytes]] = {
            "/srv/key.pem": {"": b"pem"},
            "v": {"": b"", "in/one": b"1" * 700},
            "/srv/up": {"": b"", "two": b"2"},
        }
        # What happens when something is read.
        self.reading: Callable[[], None] = lambda: None

    def project(self, service: Mapping[str, Any]) -> Project:
        own = {"/srv/n8n/n8n.env": self.own_env.encode()} if self.own_env else {}
        document = Document(self.compose.encode(), FILE)
        state = EnvironmentState([document], "/srv/n8n", {"/srv/n8n/.env": self.env.encode()}, own)
        container = {"Name": "/n8n-1", "Config": {"Env": self.held}, "Mounts": self.mounts}
        return Project("n8n", state, {"n8n": [container]})

    def container(self, name: str) -> Optional[Mapping[str, Any]]:
        return None

    def volume(self, name: str) -> bool:
        return name in self.files

    def content(self, path: str) -> Optional[bytes]:
        return self.files.get(path, {}).get("")

    def entries(self, path: str) -> Optional[int]:
        return len(self.files[path]) - 1 if path in self.files else None

    def members(self, place: Place) -> Iterator[Tuple[tarfile.TarInfo, Iterable[bytes]]]:
        self.reading()
        for name, content in self.files[place.volume or place.path].items():
            info = tarfile.TarInfo(name)
            if name == "" and len(self.files[place.volume or place.path]) > 1:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            yield info, [content] if content else []


class Folder:
    """A folder of copies, in memory; it can be full."""

    path = "/b/n8n_db"

    def __init__(self) -> None:
        self.files: Dict[str, bytes] = {}
        self.is_full = False
        self.full_for = ""

    def entries(self) -> List[Tuple[str, int]]:
        return [(name, len(content)) for name, content in self.files.items()]

    def json_lines(self, name: str) -> List[Dict[str, Any]]:
        return []

    def make(self) -> None:
        pass

    def read(self, name: str) -> bytes:
        return self.files[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        yield self.files[name]

    def create(self, name: str) -> Any:
        self.files[name] = b""
        folder = self

        class Writer:
            def write(self, data: bytes) -> None:
                if folder.is_full:
                    raise OutsideError("%s can't be written: no space left on device." % name)
                folder.files[name] += data

            def finish(self) -> None:
                pass

            def close(self) -> None:
                pass

        return Writer()

    def replace(self, name: str, data: bytes) -> None:
        if name.endswith(self.full_for or "\0"):
            raise OutsideError("%s can't be written: no space left on device." % name)
        self.files[name] = data

    def rename(self, old: str, new: str) -> None:
        assert new not in self.files
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def sync(self) -> None:
        pass

    @contextmanager
    def lock(self, name: str) -> Iterator[Any]:
        assert name == ".recovery_n8n_db.lock"
        yield None


class Encryptor:
    """Turns every byte over."""

    def __init__(self, *recipients: str) -> None:
        self.recipients = recipients or ("age1x",)

    def check(self) -> None:
        pass

    def encrypt(self, chunks: Iterable[bytes], sink: Callable[[bytes], Any]) -> None:
        for chunk in chunks:
            sink(bytes(255 - byte for byte in chunk))


def run(host: Host, folder: Folder, check: bool = False, after: int = 0, to: str = "age1x", **more: Any) -> Any:
    """Save, at a moment; return the plan and the result, in which nothing secret may be."""
    now = NOW + timedelta(seconds=after)
    plan, result = save({**OPTIONS, **more}, folder, host, host, Encryptor(to), now, "salt", check)
    assert SECRET not in repr((plan, plan.diff(), result))
    return plan, result


def opened(folder: Folder, name: str = FIRST) -> Dict[str, bytes]:
    """Return what is in a set; tarfile itself reads it."""
    data = bytes(255 - byte for byte in folder.files[name])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {item.name: tar.extractfile(item).read() if item.isreg() else b"" for item in tar}  # type: ignore[union-attr]


def test_a_set_holds_what_was_found_and_says_what_was_not() -> None:
    host, folder = Host(), Folder()
    plan, result = run(host, folder, check=True)
    assert folder.files == {}
    again, made = run(host, folder)
    assert (plan.diff(), result) == (again.diff(), made)
    assert sorted(folder.files) == ["recovery_n8n_db.json", FIRST]
    found = opened(folder)
    told = json.loads(found.pop("CONTENTS.json"))
    assert found == {
        "variables.env": b"KEY=%s\n" % SECRET.encode(),
        "files/srv/key.pem": b"pem",
        "volumes/v": b"",
        "volumes/v/in/one": b"1" * 700,
        "files/srv/up": b"",
        "files/srv/up/two": b"2",
    }
    assert (told["database"], told["at"]) == ("n8n_db", "2026-11-24T02:00:00Z")
    assert [(item["what"], item["in"], item["from"]) for item in told["contents"]] == [
        ("KEY", "variables.env", "/srv/n8n/.env"),
        ("/srv/key.pem", "files/srv/key.pem", "/srv/key.pem"),
        ("/data", "volumes/v", "volume v"),
        ("/srv/up", "files/srv/up", "/srv/up"),
    ]
    assert [item["what"] for item in told["missing"]] == ["the safe"]
    assert (made["contents"][0], made["missing"], plan.warnings) == ("KEY", ["the safe"], [])
    assert SECRET not in json.dumps(told) + folder.files["recovery_n8n_db.json"].decode()


def change_value(host: Host, folder: Folder) -> None:
    host.env = "KEY=another\n"


def change_file(host: Host, folder: Folder) -> None:
    host.files["v"]["in/one"] = b"0" * 700


def rename_file(host: Host, folder: Folder) -> None:
    host.files["v"]["in/uno"] = host.files["v"].pop("in/one")


def damage(host: Host, folder: Folder) -> None:
    folder.files[FIRST] += b"x"


def lose(host: Host, folder: Folder) -> None:
    del folder.files[FIRST]


def cut_off(host: Host, folder: Folder) -> None:
    folder.files["recovery_n8n_db.json"] = b'{"salt": "s'


def no_change(host: Host, folder: Folder) -> None:
    # It is the same key, wherever it was found.
    host.held = ["KEY=" + SECRET]


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (no_change, ""),
        (change_value, "something in it has changed"),
        (change_file, "something in it has changed"),
        (rename_file, "something in it has changed"),
        (damage, FIRST + " isn't what was written any more"),
        (lose, FIRST + " is gone"),
        (cut_off, "it isn't known what the newest recovery set holds"),
    ],
)
def test_another_is_made_where_the_newest_is_not_that_any_more(
    meddle: Callable[[Host, Folder], None], reason: str
) -> None:
    host, folder = Host(), Folder()
    run(host, folder)
    meddle(host, folder)
    plan, result = run(host, folder, after=60)
    assert (plan.changed, result["made"]) == (bool(reason), bool(reason))
    if reason:
        assert result["reason"] == reason
        assert result["path"] == "/b/n8n_db/recovery_n8n_db_20261124_020100.tar.age"
    assert not run(host, folder, after=120)[0].changed


def test_other_recipients_get_another_set() -> None:
    host, folder = Host(), Folder()
    run(host, folder)
    assert run(host, folder, after=1, to="age1y")[1]["reason"] == "something in it has changed"
    assert not run(host, folder, after=2, to="age1y")[0].changed


def test_old_sets_go_and_those_of_others_stay() -> None:
    host, folder = Host(), Folder()
    others = ["recovery_n8n_db_x_20200101_000000.tar.age", "recovery_n8n_20200101_000000.tar.age", "x"]
    others += ["recovery_n8n_db_20200101_000000.tar", "backup_n8n_db_20200101_000000.dump"]
    folder.files.update(dict.fromkeys([*others, ".recovery_n8n_db_20200101_000000.tar.age.partial"], b"x"))
    folder.files["recovery_n8n_db_20200101_000000.tar.age"] = b"x"
    for number in range(3):
        host.env = "KEY=%d\n" % number
        # Three within one second: each gets the next name.
        plan, result = run(host, folder)
    assert sets_of("n8n_db", folder.files) == ["recovery_n8n_db_20261124_02000%d.tar.age" % number for number in (2, 1)]
    assert set(others) < set(folder.files)
    assert leftovers("n8n_db", folder.files) == []
    assert result["removed"] == ["/b/n8n_db/" + FIRST]
    assert FIRST in plan.diff()[0]["before"]
    # One that is dated in the future doesn't take the newest one's place.
    assert expired(["f", "b", "a"], 2, "b") == ("a",)
    assert expired(["f", "b", "a"], 1, "b") == ("f", "a")


def test_what_changes_while_it_is_read_makes_no_set() -> None:
    host, folder = Host(), Folder()
    count = iter(range(100))

    def tick() -> None:
        host.files["/srv/up"]["two"] = b"%d" % next(count)

    host.reading = tick
    with pytest.raises(ConflictError, match="files/srv/up changed while it was read; no recovery set was made"):
        run(host, folder)
    assert folder.files == {}


def test_a_full_disk_leaves_nothing() -> None:
    host, folder = Host(), Folder()
    folder.is_full = True
    with pytest.raises(OutsideError, match="no space left"):
        run(host, folder)
    assert folder.files == {}
    # Full in the last moment: a set of which nothing is written down isn't kept.
    folder.is_full, folder.full_for = False, ".json"
    with pytest.raises(OutsideError, match="no space left"):
        run(host, folder)
    assert folder.files == {}


def test_what_is_missing_is_named_and_nothing_at_all_is_refused() -> None:
    host, folder = Host(env=""), Folder()
    plan, result = run(host, folder)
    (warning,) = plan.warnings
    assert warning.startswith(
        "n8n needs KEY, which wasn't found and isn't in the recovery set. Looked in /srv/n8n/.env,"
    )
    assert result["missing"] == ["KEY", "the safe"]
    assert "variables.env" not in opened(folder)
    host.files, host.mounts = {}, []
    with pytest.raises(StateError, match="Nothing of what a recovery of n8n needs was found: KEY, /srv/key.pem"):
        run(host, folder)


@pytest.mark.parametrize(
    ("compose", "env", "held", "own_env", "value"),
    [
        ("{}", "KEY='a$b'", [], "", "a$b"),
        ("{}", 'KEY="a\\$b"', [], "", "a$b"),
        # What refers to something else only Compose can tell, or the container.
        ("{}", "KEY=a${B}", [], "", None),
        ("{}", "KEY=a${B}", ["KEY=ab"], "", "ab"),
        ("{environment: {KEY: '${X}'}}", "X=x", [], "", "x"),
        ("{environment: {KEY: '${X:-d}'}}", "X=", [], "", "d"),
        ("{environment: {KEY: '${X:-d}'}}", "X=$Y", [], "", None),
        ("{environment: {KEY: '${X:-${Y}}'}}", "", [], "", None),
        ("{environment: {KEY: 'a$$b'}}", "KEY=other", [], "", "a$b"),
        ("{environment: [KEY]}", "KEY=k", [], "", "k"),
        ("{env_file: n8n.env}", "KEY=other", [], "KEY=own", "own"),
        ("{environment: {KEY: stated}, env_file: n8n.env}", "", [], "KEY=own", "stated"),
        ("{environment: {KEY: stated}}", "", ["KEY=running"], "", "running"),
    ],
)
def test_the_value_is_the_one_that_the_service_gets(
    compose: str, env: str, held: List[str], own_env: str, value: Optional[str]
) -> None:
    host, folder = Host("services: {n8n: %s}" % compose, env), Folder()
    host.held, host.own_env = held, own_env
    plan, _result = run(host, folder)
    found = read_dotenv(opened(folder).get("variables.env", b""))
    assert found == ({} if value is None else {"KEY": value})
    if value == "running":
        assert "KEY has another value in %s than in container n8n-1" % FILE in plan.warnings[0]
        assert "stated" not in plan.warnings[0]


def test_a_variable_of_one_file_is_that_files() -> None:
    host, folder = Host(), Folder()
    host.files["/etc/n8n.env"] = {"": b"KEY=of-the-file"}
    run(host, folder, needs=[{"variable": "KEY", "env_file": "/etc/n8n.env"}])
    assert opened(folder)["variables.env"] == b"KEY=of-the-file\n"


@pytest.mark.parametrize("value", ["a", "a b", "$A", "${A}$$", "it's", 'it\'s $A \\ "x"', "a\nb\r'", "x\\", "#", "'\\"])
def test_a_value_is_written_so_that_it_is_read_back(value: str) -> None:
    assert read_certain(b"KEY=%s\n" % literal(value).encode()) == {"KEY": value}


def test_bad_requests() -> None:
    good = dict(OPTIONS, encrypt_to=["age1x"])
    check_request(good)
    with pytest.raises(InputError, match="never written plain. Name public keys in encrypt_to"):
        check_request(dict(good, encrypt_to=[]))
    with pytest.raises(InputError, match="keep is 0"):
        check_request(dict(good, keep=0))
    with pytest.raises(InputError, match="it has a slash"):
        check_request(dict(good, database="a/b"))
    with pytest.raises(InputError, match="no name of a variable"):
        run(Host(), Folder(), needs=[{"variable": "A\nB"}])


def test_one_that_fails_keeps_no_other_from_being_saved() -> None:
    folder = Folder()

    def save_one(options: Mapping[str, Any]) -> Any:
        if options["key"] == "bad":
            raise StateError("It isn't there.")
        return run(Host(), folder)

    result = save_all([{"key": "bad"}, {"key": "n8n"}], save_one, False)
    assert (result["failed_databases"], result["errors"]) == (["bad"], {"bad": "It isn't there."})
    assert [item["key"] for item in result["sets"]] == ["n8n"]
    assert [line.partition(": ")[0] for line in result["page"]] == ["n8n", "bad"]
    # Nothing was made: there is nothing to tell.
    assert save_all([{"key": "n8n"}], save_one, False)["page"] == []


def test_the_catalogue_of_dumps_passes_all_of_it_by() -> None:
    folder = Folder()
    run(Host(), folder)
    folder.files.update({".recovery_n8n_db_20200101_000000.tar.age.partial": b"", ".recovery_n8n_db.lock": b""})
    catalogue = look("n8n_db", folder)  # type: ignore[arg-type]
    assert (catalogue.copies, catalogue.orphans, catalogue.partials) == ((), (), ())
