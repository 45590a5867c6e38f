"""Seven databases, seven verified copies that the stock tools restore, nothing half-written."""

import hashlib
import json

import pytest

DATABASES = ["postgres", "archon_db", "n8n_db", "flowise_db", "odoo_db", "langfuse_db", "langfuse"]


@pytest.fixture
def folder(demo):
    return demo / "backups" / "supabase-ai"


@pytest.mark.parametrize("database", DATABASES)
def test_one_copy_with_its_manifest(folder, database):
    dumps = list((folder / database).glob("backup_%s_*.dump*" % database))
    assert len(dumps) == 1
    manifest = json.loads(next((folder / database).glob("*.manifest.json")).read_text())
    assert manifest["sha256"] == hashlib.sha256(dumps[0].read_bytes()).hexdigest()
    assert manifest["size_bytes"] == dumps[0].stat().st_size


@pytest.mark.parametrize("database", DATABASES)
def test_files_are_private_and_none_is_half(folder, database):
    assert oct((folder / database).stat().st_mode & 0o777) == "0o700"
    for path in (folder / database).iterdir():
        assert oct(path.stat().st_mode & 0o777) == "0o600", path
        assert not path.name.endswith(".partial"), path


def test_the_stock_tools_restore_it(machine, folder, sql):
    dump = next((folder / "n8n_db").glob("backup_*.dump*"))
    sql("postgres", "CREATE DATABASE restored_by_hand TEMPLATE template0")
    try:
        unpack = "zstd -dc" if dump.suffix == ".zst" else "cat"
        machine.run_test("docker cp %s supabase-ai-db:/tmp/copy", str(dump))
        restore = "pg_restore -U postgres -d restored_by_hand --exit-on-error"
        command = "docker exec supabase-ai-db sh -c '%s /tmp/copy | %s'" % (unpack, restore)
        result = machine.run(command)
        assert result.rc == 0, result.stderr
        count = (
            "SELECT sum(n) FROM (SELECT (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I',"
        )
        count += " schemaname, tablename), false, true, '')))[1]::text::bigint AS n FROM pg_tables"
        count += " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')) t"
        assert sql("restored_by_hand", count) == sql("n8n_db", count)
        assert int(sql("n8n_db", count)[0]) > 0
    finally:
        sql("postgres", "DROP DATABASE restored_by_hand")
        machine.run("docker exec supabase-ai-db rm -f /tmp/copy")


def test_row_counts_are_those_of_the_server(folder, sql):
    manifest = json.loads(next((folder / "postgres").glob("*.manifest.json")).read_text())
    text = json.dumps(manifest["tables"])
    assert "archon_crawled_pages" in text
    assert sql("postgres", "SELECT count(*) FROM archon_crawled_pages")[0] in text
