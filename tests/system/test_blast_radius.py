# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dies with a database, read off real servers: before its services moved out, and afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

TENANTS = {"supabase": {"schemas": ["auth"], "platform": True}, "archon": {"tables": "public.archon_*"}}
SETUP = """
CREATE ROLE n8n LOGIN; CREATE ROLE archon LOGIN; CREATE ROLE readers; CREATE ROLE reporter LOGIN IN ROLE readers;
CREATE ROLE auditor LOGIN PASSWORD 'pw';
CREATE SCHEMA auth; CREATE TABLE auth.users (id int); GRANT USAGE ON SCHEMA auth TO readers;
CREATE TABLE archon_settings (id int, filler text); INSERT INTO archon_settings SELECT n, repeat('x', 500) FROM
  generate_series(1, 2000) n;
CREATE TABLE flow_node (id int); CREATE TABLE flow_edge (id int);
CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
CREATE SERVER erp FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname 'odoo_db');
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example', dbname 'odoo_db');
CREATE USER MAPPING FOR n8n SERVER erp OPTIONS (user 'n8n', password 'never-shown');
CREATE FUNCTION fetch_orders() RETURNS SETOF record LANGUAGE sql AS
  $$ SELECT * FROM dblink('dbname=odoo_db password=never-shown', 'SELECT 1') AS t (a int) $$;
"""


@pytest.fixture
def cluster(servers: Any) -> Iterator[Any]:
    """Yield a server whose database postgres is everybody's."""
    servers.sql("postgres", "CREATE DATABASE odoo_db")
    servers.sql("postgres", SETUP)
    servers.sql(
        "postgres",
        "CREATE SUBSCRIPTION copies CONNECTION 'host=far.example password=never-shown' PUBLICATION p"
        " WITH (connect = false)",
    )
    yield servers
    servers.sql("postgres", "ALTER SUBSCRIPTION copies SET (slot_name = NONE)")
    servers.sql("postgres", "DROP SUBSCRIPTION copies")
    servers.sql("postgres", "DROP DATABASE odoo_db WITH (FORCE)")
    servers.sql("postgres", "DROP EXTENSION dblink, postgres_fdw CASCADE; DROP FUNCTION IF EXISTS fetch_orders()")
    servers.sql(
        "postgres", "DROP SCHEMA IF EXISTS archon_archive CASCADE; GRANT CONNECT ON DATABASE postgres TO PUBLIC"
    )
    servers.sql("postgres", "DROP SCHEMA auth CASCADE; DROP TABLE IF EXISTS archon_settings, flow_node, flow_edge")
    servers.sql("postgres", "DROP OWNED BY n8n, archon, readers, reporter, auditor")
    servers.sql("postgres", "DROP ROLE n8n, archon, readers, reporter, auditor")


def seen(call: Any, **options: Any) -> dict[str, Any]:
    """Return what the module says, its databases by name."""
    result: dict[str, Any] = call("pg_blast_radius_info", **options)
    assert result.get("failed") is not True, result
    assert "never-shown" not in str(result)
    return dict(result, databases={item["name"]: item for item in result["databases"]})


def test_before_and_after(call: Any, cluster: Any) -> None:
    options = {"container": cluster.name, "tenants": TENANTS}
    before = seen(call, **options)
    shared = before["databases"]["postgres"]
    assert before["superusers"] == ["postgres"]
    assert shared["verdict"] == "catastrophic"
    assert "one DROP DATABASE destroys supabase together with archon (1 tables), public.flow_* (2 tables)" in str(
        shared["reasons"]
    )
    services = {item["service"]: (item["tables"], item["enters"]) for item in shared["services"]}
    # n8n has a user mapping here, reporter's group the right to use a schema: only auditor has nothing.
    assert services == {"archon": (1, None), "public.flow_*": (2, None), "auditor": (0, "through PUBLIC")}
    assert shared["enters"]["reporter"] == "through PUBLIC"
    assert next(item for item in shared["services"] if item["service"] == "archon")["size_bytes"] > 1_000_000
    leading = {(item["kind"], item["name"]): item["to"] for item in shared["links"]}
    assert leading == {
        ("foreign server", "erp"): "odoo_db",
        ("foreign server", "far"): "",
        ("dblink in function", "fetch_orders()"): "odoo_db",
        ("subscription", "copies"): "",
    }
    assert before["databases"]["odoo_db"]["verdict"] == "none"
    # Without any description Supabase's schemas are known, and whose the other tables are is seen by their names.
    alone = seen(call, container=cluster.name)["databases"]["postgres"]
    assert alone["verdict"] == "catastrophic"
    assert [item["service"] for item in alone["services"] if not item["enters"]] == ["public.flow_*"]

    cluster.sql("postgres", "CREATE SCHEMA archon_archive; ALTER TABLE archon_settings SET SCHEMA archon_archive")
    cluster.sql("postgres", "DROP TABLE flow_node, flow_edge; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    cluster.sql("postgres", "GRANT CONNECT ON DATABASE postgres TO readers")
    after = seen(call, **options)["databases"]["postgres"]
    assert (after["verdict"], after["services"]) == ("contained", [])
    assert after["archived"] == {"archon_archive": 1}
    assert after["enters"] == {"reporter": "as a member of readers"}


def test_a_role_that_may_only_read_sees_what_it_may(call: Any, cluster: Any) -> None:
    cluster.sql("postgres", "REVOKE CONNECT ON DATABASE odoo_db FROM PUBLIC")
    login = {"container": cluster.name, "login_user": "auditor", "login_password": "pw"}
    found = seen(call, tenants=TENANTS, **login)
    assert found["databases"]["postgres"]["verdict"] == "catastrophic"
    assert found["databases"]["odoo_db"]["verdict"] is None
    assert (
        "can't connect" in found["databases"]["odoo_db"]["error"]
        or "permission denied" in (found["databases"]["odoo_db"]["error"])
    )
    # Which subscriptions there are is told to all, their connection strings to superusers alone.
    sessions, rules = sorted(found["unseen"])
    assert sessions == "Sessions of other roles can't be seen by this one: grant it pg_read_all_stats."
    assert "pg_hba.conf" in rules
    assert (found["rules"], found["settings"]["role"]) == (None, "auditor")
    kinds = {item["kind"] for item in found["databases"]["postgres"]["links"]}
    assert "subscription" in kinds
