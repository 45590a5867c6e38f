# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every metric, in the order of the textfile.

A *measured* one differs from look to look though nothing has happened. The others tell what is described, and what has
happened to copies, drills and restores: moments, not ages. How old something is Prometheus computes.
"""

from .exposition import Family

LAST_RUN = Family("bulkhead_metrics_last_run_timestamp_seconds", "When these metrics were written.", measured=True)

INFO = Family("bulkhead_database_info", "A database of the description, with its name on the server.")
RPO = Family("bulkhead_database_rpo_seconds", "Recovery point objective: how much may be lost.")
RTO = Family("bulkhead_database_rto_seconds", "Recovery time objective: how long a restore may take.")

READABLE = Family("bulkhead_backup_readable", "Whether the folder of the copies can be read.")
COPIES = Family("bulkhead_backup_copies", "Copies in the folder, whatever they are worth.")
VERIFIED = Family("bulkhead_backup_verified_copies", "Copies that count as verified.")
NEWEST = Family(
    "bulkhead_backup_newest_verified_timestamp_seconds", "When the newest verified copy was taken; absent without one."
)
NEWEST_SIZE = Family("bulkhead_backup_newest_verified_size_bytes", "Size of the newest verified copy.")
LEVEL = Family("bulkhead_backup_newest_verified_level", "How far the newest verified copy was verified.")
DURATION = Family("bulkhead_backup_newest_verified_duration_seconds", "How long the newest verified copy took to make.")
LONGEST = Family(
    "bulkhead_backup_longest_recent_duration_seconds", "How long the slowest of the ten newest dumps took."
)
FAILING = Family("bulkhead_backup_failing", "Whether the last dump failed.")
FAILED_AT = Family("bulkhead_backup_failed_timestamp_seconds", "When the last dump failed; absent where it didn't.")
HELD = Family("bulkhead_backup_held", "Whether the retention waits for somebody to look.")
PREVIOUS_DUE = Family(
    "bulkhead_backup_previous_due_timestamp_seconds", "When a dump was due the last time.", measured=True
)
FREE = Family("bulkhead_backup_free_bytes", "Free space where the copies lie.", measured=True)
NEEDED = Family("bulkhead_backup_next_needed_bytes", "Space that the next dump needs, by estimate.", measured=True)

DRILLED_AT = Family("bulkhead_drill_timestamp_seconds", "When a copy was drilled the last time; absent where none was.")
DRILL_PASSED = Family("bulkhead_drill_passed", "Whether the newest drill passed.")
DRILL_DURATION = Family("bulkhead_drill_duration_seconds", "How long the newest drill that passed took to restore.")
RESTORED_AT = Family("bulkhead_restore_timestamp_seconds", "When the newest restore that succeeded was.")
RESTORE_DURATION = Family("bulkhead_restore_duration_seconds", "How long the newest restore that succeeded took.")

UP = Family("bulkhead_cluster_up", "Whether the server answers; its other numbers are absent where it doesn't.")
MAX_CONNECTIONS = Family("bulkhead_cluster_max_connections", "The server's max_connections.")
USABLE_CONNECTIONS = Family(
    "bulkhead_cluster_usable_connections", "max_connections less what is reserved for superusers."
)
CONNECTIONS = Family("bulkhead_database_connections", "Clients' sessions, by their state.", measured=True)
CONNECTION_LIMIT = Family("bulkhead_database_connection_limit", "The database's own limit; absent where it has none.")
OLDEST_TRANSACTION = Family(
    "bulkhead_database_oldest_transaction_timestamp_seconds",
    "When the oldest open transaction began; absent where none is open.",
    measured=True,
)
LOCKS = Family("bulkhead_database_locks", "Locks, by whether they were granted or are waited for.", measured=True)
SIZE = Family("bulkhead_database_size_bytes", "Size on the server's disk.", measured=True)
COMMITS = Family("bulkhead_database_commits_total", "Transactions that were committed.", "counter", True)
ROLLBACKS = Family("bulkhead_database_rollbacks_total", "Transactions that were rolled back.", "counter", True)
DEADLOCKS = Family("bulkhead_database_deadlocks_total", "Deadlocks.", "counter", True)
TEMPORARY = Family("bulkhead_database_temporary_bytes_total", "Bytes that queries wrote to disk.", "counter", True)
BLAST_RADIUS = Family("bulkhead_blast_radius", "The verdict on what dies with a database: 1 for the one that holds.")

FAMILIES = (
    LAST_RUN, INFO, RPO, RTO,
    READABLE, COPIES, VERIFIED, NEWEST, NEWEST_SIZE, LEVEL, DURATION, LONGEST, FAILING, FAILED_AT, HELD, PREVIOUS_DUE,
    FREE, NEEDED,
    DRILLED_AT, DRILL_PASSED, DRILL_DURATION, RESTORED_AT, RESTORE_DURATION,
    UP, MAX_CONNECTIONS, USABLE_CONNECTIONS, CONNECTIONS, CONNECTION_LIMIT, OLDEST_TRANSACTION, LOCKS, SIZE,
    COMMITS, ROLLBACKS, DEADLOCKS, TEMPORARY, BLAST_RADIUS,
)  # fmt: skip
MEASURED = tuple(family for family in FAMILIES if family.measured)
