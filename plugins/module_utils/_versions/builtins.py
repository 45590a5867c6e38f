# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each major of PostgreSQL added and removed beside the one before, read off servers by scripts/read_builtins.py.

Of each kind two texts, the added names and the removed ones, divided by semicolons.
"""

from typing import Mapping, Tuple

# Read off:
# 13.23, 14.23, 15.18, 16.14, 17.10, 18.4.
CHANGES: Mapping[int, Mapping[str, Tuple[str, str]]] = {
    14: {
        "function": (
            """
            array_append(anycompatiblearray, anycompatible); array_cat(anycompatiblearray, anycompatiblearray);
            array_position(anycompatiblearray, anycompatible); array_position(anycompatiblearray, anycompatible,
            integer); array_positions(anycompatiblearray, anycompatible); array_prepend(anycompatible,
            anycompatiblearray); array_remove(anycompatiblearray, anycompatible); array_replace(anycompatiblearray,
            anycompatible, anycompatible); binary_upgrade_set_next_multirange_array_pg_type_oid(oid);
            binary_upgrade_set_next_multirange_pg_type_oid(oid); bit_count(bit); bit_count(bytea); bit_xor(bigint);
            bit_xor(bit); bit_xor(integer); bit_xor(smallint); brin_bloom_summary_send(pg_brin_bloom_summary);
            brin_minmax_multi_summary_send(pg_brin_minmax_multi_summary); date_bin(interval, timestamp with time
            zone, timestamp with time zone); date_bin(interval, timestamp without time zone, timestamp without time
            zone); datemultirange(); datemultirange(daterange); datemultirange(daterange[]);
            elem_contained_by_multirange(anyelement, anymultirange); extract(text, date); extract(text, interval);
            extract(text, time with time zone); extract(text, time without time zone); extract(text, timestamp with
            time zone); extract(text, timestamp without time zone); hash_multirange(anymultirange);
            hash_multirange_extended(anymultirange, bigint); hash_record(record); hash_record_extended(record,
            bigint); int4multirange(); int4multirange(int4range); int4multirange(int4range[]); int8multirange();
            int8multirange(int8range); int8multirange(int8range[]); isempty(anymultirange); lag(anycompatible,
            integer, anycompatible); lead(anycompatible, integer, anycompatible); lower(anymultirange);
            lower_inc(anymultirange); lower_inf(anymultirange); ltrim(bytea, bytea); multirange(anyrange);
            multirange_adjacent_multirange(anymultirange, anymultirange); multirange_adjacent_range(anymultirange,
            anyrange); multirange_after_multirange(anymultirange, anymultirange);
            multirange_after_range(anymultirange, anyrange); multirange_before_multirange(anymultirange,
            anymultirange); multirange_before_range(anymultirange, anyrange); multirange_cmp(anymultirange,
            anymultirange); multirange_contained_by_multirange(anymultirange, anymultirange);
            multirange_contained_by_range(anymultirange, anyrange); multirange_contains_elem(anymultirange,
            anyelement); multirange_contains_multirange(anymultirange, anymultirange);
            multirange_contains_range(anymultirange, anyrange); multirange_eq(anymultirange, anymultirange);
            multirange_ge(anymultirange, anymultirange); multirange_gt(anymultirange, anymultirange);
            multirange_intersect(anymultirange, anymultirange); multirange_intersect_agg_transfn(anymultirange,
            anymultirange); multirange_le(anymultirange, anymultirange); multirange_lt(anymultirange,
            anymultirange); multirange_minus(anymultirange, anymultirange); multirange_ne(anymultirange,
            anymultirange); multirange_overlaps_multirange(anymultirange, anymultirange);
            multirange_overlaps_range(anymultirange, anyrange); multirange_overleft_multirange(anymultirange,
            anymultirange); multirange_overleft_range(anymultirange, anyrange);
            multirange_overright_multirange(anymultirange, anymultirange); multirange_overright_range(anymultirange,
            anyrange); multirange_send(anymultirange); multirange_union(anymultirange, anymultirange);
            numeric_pl_pg_lsn(numeric, pg_lsn); nummultirange(); nummultirange(numrange); nummultirange(numrange[]);
            pg_column_compression("any"); pg_create_logical_replication_slot(name, name, boolean=, boolean=);
            pg_get_backend_memory_contexts(); pg_get_catalog_foreign_keys(); pg_get_function_sqlbody(oid);
            pg_get_statisticsobjdef_columns(oid); pg_get_statisticsobjdef_expressions(oid);
            pg_get_wal_replay_pause_state(); pg_log_backend_memory_contexts(integer); pg_lsn(numeric);
            pg_lsn_mii(pg_lsn, numeric); pg_lsn_pli(pg_lsn, numeric); pg_stat_get_db_active_time(oid);
            pg_stat_get_db_idle_in_transaction_time(oid); pg_stat_get_db_session_time(oid);
            pg_stat_get_db_sessions(oid); pg_stat_get_db_sessions_abandoned(oid);
            pg_stat_get_db_sessions_fatal(oid); pg_stat_get_db_sessions_killed(oid);
            pg_stat_get_replication_slot(text); pg_stat_get_wal(); pg_stat_reset_replication_slot(text);
            pg_terminate_backend(integer, bigint=); pg_xact_commit_timestamp_origin(xid);
            range_adjacent_multirange(anyrange, anymultirange); range_after_multirange(anyrange, anymultirange);
            range_agg(anyrange); range_before_multirange(anyrange, anymultirange);
            range_contained_by_multirange(anyrange, anymultirange); range_contains_multirange(anyrange,
            anymultirange); range_intersect_agg(anymultirange); range_intersect_agg(anyrange);
            range_intersect_agg_transfn(anyrange, anyrange); range_merge(anymultirange);
            range_overlaps_multirange(anyrange, anymultirange); range_overleft_multirange(anyrange, anymultirange);
            range_overright_multirange(anyrange, anymultirange); rtrim(bytea, bytea); string_to_table(text, text);
            string_to_table(text, text, text); trim_array(anyarray, integer); tsmultirange(); tsmultirange(tsrange);
            tsmultirange(tsrange[]); tstzmultirange(); tstzmultirange(tstzrange); tstzmultirange(tstzrange[]);
            unistr(text); unnest(anymultirange); upper(anymultirange); upper_inc(anymultirange);
            upper_inf(anymultirange); width_bucket(anycompatible, anycompatiblearray)
            """,
            """
            array_append(anyarray, anyelement); array_cat(anyarray, anyarray); array_position(anyarray, anyelement);
            array_position(anyarray, anyelement, integer); array_positions(anyarray, anyelement);
            array_prepend(anyelement, anyarray); array_remove(anyarray, anyelement); array_replace(anyarray,
            anyelement, anyelement); binary_upgrade_set_next_toast_pg_type_oid(oid); currtid(oid, tid);
            lag(anyelement, integer, anyelement); lead(anyelement, integer, anyelement); numeric_fac(bigint);
            pg_create_logical_replication_slot(name, name, boolean=); pg_terminate_backend(integer);
            width_bucket(anyelement, anyarray)
            """,
        ),
        "type": (
            """
            anycompatiblemultirange; anymultirange; datemultirange; int4multirange; int8multirange; nummultirange;
            pg_brin_bloom_summary; pg_brin_minmax_multi_summary; tsmultirange; tstzmultirange
            """,
            "",
        ),
        "operator": (
            """
            &&(anymultirange, anymultirange); &&(anymultirange, anyrange); &&(anyrange, anymultirange);
            &<(anymultirange, anymultirange); &<(anymultirange, anyrange); &<(anyrange, anymultirange);
            &>(anymultirange, anymultirange); &>(anymultirange, anyrange); &>(anyrange, anymultirange);
            *(anymultirange, anymultirange); +(anymultirange, anymultirange); +(numeric, pg_lsn); +(pg_lsn,
            numeric); -(anymultirange, anymultirange); -(pg_lsn, numeric); -|-(anymultirange, anymultirange);
            -|-(anymultirange, anyrange); -|-(anyrange, anymultirange); <(anymultirange, anymultirange);
            <<(anymultirange, anymultirange); <<(anymultirange, anyrange); <<(anyrange, anymultirange); <<|(point,
            point); <=(anymultirange, anymultirange); <>(anymultirange, anymultirange); <@(anyelement,
            anymultirange); <@(anymultirange, anymultirange); <@(anymultirange, anyrange); <@(anyrange,
            anymultirange); =(anymultirange, anymultirange); >(anymultirange, anymultirange); >=(anymultirange,
            anymultirange); >>(anymultirange, anymultirange); >>(anymultirange, anyrange); >>(anyrange,
            anymultirange); @>(anymultirange, anyelement); @>(anymultirange, anymultirange); @>(anymultirange,
            anyrange); @>(anyrange, anymultirange); |>>(point, point); ||(anycompatible, anycompatiblearray);
            ||(anycompatiblearray, anycompatible); ||(anycompatiblearray, anycompatiblearray)
            """,
            """
            !!(bigint); !(bigint, ); @(box, box); @(circle, circle); @(lseg, box); @(lseg, line); @(point, box);
            @(point, circle); @(point, line); @(point, lseg); @(point, path); @(point, polygon); @(polygon,
            polygon); ||(anyarray, anyarray); ||(anyarray, anyelement); ||(anyelement, anyarray); ~(aclitem[],
            aclitem); ~(box, box); ~(circle, circle); ~(circle, point); ~(path, point); ~(polygon, point);
            ~(polygon, polygon)
            """,
        ),
        "operator class": (
            """
            brin bpchar_bloom_ops; brin bytea_bloom_ops; brin char_bloom_ops; brin date_bloom_ops; brin
            date_minmax_multi_ops; brin float4_bloom_ops; brin float4_minmax_multi_ops; brin float8_bloom_ops; brin
            float8_minmax_multi_ops; brin inet_bloom_ops; brin inet_minmax_multi_ops; brin int2_bloom_ops; brin
            int2_minmax_multi_ops; brin int4_bloom_ops; brin int4_minmax_multi_ops; brin int8_bloom_ops; brin
            int8_minmax_multi_ops; brin interval_bloom_ops; brin interval_minmax_multi_ops; brin macaddr8_bloom_ops;
            brin macaddr8_minmax_multi_ops; brin macaddr_bloom_ops; brin macaddr_minmax_multi_ops; brin
            name_bloom_ops; brin numeric_bloom_ops; brin numeric_minmax_multi_ops; brin oid_bloom_ops; brin
            oid_minmax_multi_ops; brin pg_lsn_bloom_ops; brin pg_lsn_minmax_multi_ops; brin text_bloom_ops; brin
            tid_bloom_ops; brin tid_minmax_multi_ops; brin time_bloom_ops; brin time_minmax_multi_ops; brin
            timestamp_bloom_ops; brin timestamp_minmax_multi_ops; brin timestamptz_bloom_ops; brin
            timestamptz_minmax_multi_ops; brin timetz_bloom_ops; brin timetz_minmax_multi_ops; brin uuid_bloom_ops;
            brin uuid_minmax_multi_ops; btree multirange_ops; gist multirange_ops; hash multirange_ops; hash
            record_ops
            """,
            "",
        ),
        "setting": (
            """
            client_connection_check_interval; compute_query_id; default_toast_compression; enable_async_append;
            enable_memoize; huge_page_size; idle_session_timeout; in_hot_standby; log_recovery_conflict_waits;
            min_dynamic_shared_memory; recovery_init_sync_method; remove_temp_files_after_crash; ssl_crl_dir;
            track_wal_io_timing; vacuum_failsafe_age; vacuum_multixact_failsafe_age
            """,
            """
            operator_precedence_warning; vacuum_cleanup_index_scale_factor
            """,
        ),
        "role": (
            """
            pg_database_owner; pg_read_all_data; pg_write_all_data
            """,
            "",
        ),
        "relation": (
            """
            pg_backend_memory_contexts; pg_stat_progress_copy; pg_stat_replication_slots; pg_stat_wal;
            pg_stats_ext_exprs
            """,
            "",
        ),
        "column": (
            """
            pg_attribute.attcompression; pg_backend_memory_contexts.free_bytes;
            pg_backend_memory_contexts.free_chunks; pg_backend_memory_contexts.ident;
            pg_backend_memory_contexts.level; pg_backend_memory_contexts.name; pg_backend_memory_contexts.parent;
            pg_backend_memory_contexts.total_bytes; pg_backend_memory_contexts.total_nblocks;
            pg_backend_memory_contexts.used_bytes; pg_inherits.inhdetachpending; pg_locks.waitstart;
            pg_prepared_statements.custom_plans; pg_prepared_statements.generic_plans; pg_proc.prosqlbody;
            pg_range.rngmultitypid; pg_replication_slots.two_phase; pg_stat_activity.query_id;
            pg_stat_database.active_time; pg_stat_database.idle_in_transaction_time; pg_stat_database.session_time;
            pg_stat_database.sessions; pg_stat_database.sessions_abandoned; pg_stat_database.sessions_fatal;
            pg_stat_database.sessions_killed; pg_stat_progress_copy.bytes_processed;
            pg_stat_progress_copy.bytes_total; pg_stat_progress_copy.command; pg_stat_progress_copy.datid;
            pg_stat_progress_copy.datname; pg_stat_progress_copy.pid; pg_stat_progress_copy.relid;
            pg_stat_progress_copy.tuples_excluded; pg_stat_progress_copy.tuples_processed;
            pg_stat_progress_copy.type; pg_stat_replication_slots.slot_name; pg_stat_replication_slots.spill_bytes;
            pg_stat_replication_slots.spill_count; pg_stat_replication_slots.spill_txns;
            pg_stat_replication_slots.stats_reset; pg_stat_replication_slots.stream_bytes;
            pg_stat_replication_slots.stream_count; pg_stat_replication_slots.stream_txns;
            pg_stat_replication_slots.total_bytes; pg_stat_replication_slots.total_txns; pg_stat_wal.stats_reset;
            pg_stat_wal.wal_buffers_full; pg_stat_wal.wal_bytes; pg_stat_wal.wal_fpi; pg_stat_wal.wal_records;
            pg_stat_wal.wal_sync; pg_stat_wal.wal_sync_time; pg_stat_wal.wal_write; pg_stat_wal.wal_write_time;
            pg_statistic_ext.stxexprs; pg_statistic_ext_data.stxdexpr; pg_stats_ext.exprs;
            pg_stats_ext_exprs.avg_width; pg_stats_ext_exprs.correlation; pg_stats_ext_exprs.elem_count_histogram;
            pg_stats_ext_exprs.expr; pg_stats_ext_exprs.histogram_bounds; pg_stats_ext_exprs.most_common_elem_freqs;
            pg_stats_ext_exprs.most_common_elems; pg_stats_ext_exprs.most_common_freqs;
            pg_stats_ext_exprs.most_common_vals; pg_stats_ext_exprs.n_distinct; pg_stats_ext_exprs.null_frac;
            pg_stats_ext_exprs.schemaname; pg_stats_ext_exprs.statistics_name; pg_stats_ext_exprs.statistics_owner;
            pg_stats_ext_exprs.statistics_schemaname; pg_stats_ext_exprs.tablename; pg_subscription.subbinary;
            pg_subscription.substream; pg_type.typsubscript
            """,
            """
            pg_stat_ssl.compression
            """,
        ),
    },
    15: {
        "function": (
            """
            binary_upgrade_set_next_heap_relfilenode(oid); binary_upgrade_set_next_index_relfilenode(oid);
            binary_upgrade_set_next_pg_tablespace_oid(oid); binary_upgrade_set_next_toast_relfilenode(oid);
            has_parameter_privilege(name, text, text); has_parameter_privilege(oid, text, text);
            has_parameter_privilege(text, text); max(xid8); min(xid8); pg_backup_start(text, boolean=);
            pg_backup_stop(boolean=); pg_database_collation_actual_version(oid); pg_get_wal_resource_managers();
            pg_ident_file_mappings(); pg_ls_logicalmapdir(); pg_ls_logicalsnapdir(); pg_ls_replslotdir(text);
            pg_settings_get_flags(text); pg_stat_force_next_flush(); pg_stat_get_recovery_prefetch();
            pg_stat_get_subscription_stats(oid); pg_stat_have_stats(text, oid, oid);
            pg_stat_reset_subscription_stats(oid); pg_stop_making_pinned_objects(); range_agg(anymultirange);
            regexp_count(text, text); regexp_count(text, text, integer); regexp_count(text, text, integer, text);
            regexp_instr(text, text); regexp_instr(text, text, integer); regexp_instr(text, text, integer, integer);
            regexp_instr(text, text, integer, integer, integer); regexp_instr(text, text, integer, integer, integer,
            text); regexp_instr(text, text, integer, integer, integer, text, integer); regexp_like(text, text);
            regexp_like(text, text, text); regexp_replace(text, text, text, integer); regexp_replace(text, text,
            text, integer, integer); regexp_replace(text, text, text, integer, integer, text); regexp_substr(text,
            text); regexp_substr(text, text, integer); regexp_substr(text, text, integer, integer);
            regexp_substr(text, text, integer, integer, text); regexp_substr(text, text, integer, integer, text,
            integer); xid8_larger(xid8, xid8); xid8_smaller(xid8, xid8)
            """,
            """
            close_lb(line, box); close_sl(lseg, line); dist_bl(box, line); dist_lb(line, box); path_center(path);
            pg_backup_start_time(); pg_is_in_backup(); pg_start_backup(text, boolean=, boolean=); pg_stop_backup();
            pg_stop_backup(boolean, boolean=); point(path)
            """,
        ),
        "operator": (
            "",
            """
            ##(line, box); ##(lseg, line); <->(box, line); <->(line, box); @@(path)
            """,
        ),
        "setting": (
            """
            archive_library; log_startup_progress_interval; recovery_prefetch; recursive_worktable_factor;
            shared_memory_size; shared_memory_size_in_huge_pages; stats_fetch_consistency; wal_decode_buffer_size
            """,
            """
            stats_temp_directory
            """,
        ),
        "role": (
            """
            pg_checkpoint
            """,
            "",
        ),
        "relation": (
            """
            pg_ident_file_mappings; pg_parameter_acl; pg_publication_namespace; pg_stat_recovery_prefetch;
            pg_stat_subscription_stats
            """,
            "",
        ),
        "column": (
            """
            pg_collation.colliculocale; pg_constraint.confdelsetcols; pg_database.datcollversion;
            pg_database.daticulocale; pg_database.datlocprovider; pg_ident_file_mappings.error;
            pg_ident_file_mappings.line_number; pg_ident_file_mappings.map_name; pg_ident_file_mappings.pg_username;
            pg_ident_file_mappings.sys_name; pg_index.indnullsnotdistinct; pg_parameter_acl.oid;
            pg_parameter_acl.paracl; pg_parameter_acl.parname; pg_publication_namespace.oid;
            pg_publication_namespace.pnnspid; pg_publication_namespace.pnpubid; pg_publication_rel.prattrs;
            pg_publication_rel.prqual; pg_publication_tables.attnames; pg_publication_tables.rowfilter;
            pg_stat_recovery_prefetch.block_distance; pg_stat_recovery_prefetch.hit;
            pg_stat_recovery_prefetch.io_depth; pg_stat_recovery_prefetch.prefetch;
            pg_stat_recovery_prefetch.skip_fpw; pg_stat_recovery_prefetch.skip_init;
            pg_stat_recovery_prefetch.skip_new; pg_stat_recovery_prefetch.skip_rep;
            pg_stat_recovery_prefetch.stats_reset; pg_stat_recovery_prefetch.wal_distance;
            pg_stat_subscription_stats.apply_error_count; pg_stat_subscription_stats.stats_reset;
            pg_stat_subscription_stats.subid; pg_stat_subscription_stats.subname;
            pg_stat_subscription_stats.sync_error_count; pg_statistic_ext_data.stxdinherit; pg_stats_ext.inherited;
            pg_stats_ext_exprs.inherited; pg_subscription.subdisableonerr; pg_subscription.subskiplsn;
            pg_subscription.subtwophasestate
            """,
            """
            pg_database.datlastsysoid
            """,
        ),
    },
    16: {
        "function": (
            """
            any_value(anyelement); any_value_transfn(anyelement, anyelement); array_sample(anyarray, integer);
            array_shuffle(anyarray); date_add(timestamp with time zone, interval); date_add(timestamp with time
            zone, interval, text); date_subtract(timestamp with time zone, interval); date_subtract(timestamp with
            time zone, interval, text); erf(double precision); erfc(double precision); generate_series(timestamp
            with time zone, timestamp with time zone, interval, text); json_agg_strict(anyelement);
            json_object_agg_strict("any", "any"); json_object_agg_unique("any", "any");
            json_object_agg_unique_strict("any", "any"); jsonb_agg_strict(anyelement);
            jsonb_object_agg_strict("any", "any"); jsonb_object_agg_unique("any", "any");
            jsonb_object_agg_unique_strict("any", "any"); pg_get_publication_tables(text[]);
            pg_input_error_info(text, text); pg_input_is_valid(text, text); pg_log_standby_snapshot();
            pg_read_binary_file(text, boolean); pg_read_file(text, boolean); pg_split_walfile_name(text);
            pg_stat_get_backend_subxact(integer); pg_stat_get_db_conflict_logicalslot(oid); pg_stat_get_io();
            pg_stat_get_lastscan(oid); pg_stat_get_tuples_newpage_updated(oid);
            pg_stat_get_xact_tuples_newpage_updated(oid); random_normal(double precision=, double precision=);
            system_user()
            """,
            """
            pg_get_publication_tables(text)
            """,
        ),
        "setting": (
            """
            createrole_self_grant; enable_presorted_aggregate; file_extend_method; gss_accept_delegation;
            icu_validation_level; max_parallel_apply_workers_per_subscription; reserved_connections;
            scram_iterations; send_abort_for_crash; send_abort_for_kill; vacuum_buffer_usage_limit
            """,
            """
            force_parallel_mode; lc_collate; lc_ctype; promote_trigger_file; vacuum_defer_cleanup_age
            """,
        ),
        "role": (
            """
            pg_create_subscription; pg_use_reserved_connections
            """,
            "",
        ),
        "reserved word": (
            """
            system_user
            """,
            "",
        ),
        "relation": (
            """
            pg_stat_io
            """,
            "",
        ),
        "column": (
            """
            pg_auth_members.inherit_option; pg_auth_members.oid; pg_auth_members.set_option;
            pg_collation.collicurules; pg_database.daticurules; pg_hba_file_rules.file_name;
            pg_hba_file_rules.rule_number; pg_ident_file_mappings.file_name; pg_ident_file_mappings.map_number;
            pg_prepared_statements.result_types; pg_replication_slots.conflicting;
            pg_stat_all_indexes.last_idx_scan; pg_stat_all_tables.last_idx_scan; pg_stat_all_tables.last_seq_scan;
            pg_stat_all_tables.n_tup_newpage_upd; pg_stat_database_conflicts.confl_active_logicalslot;
            pg_stat_gssapi.credentials_delegated; pg_stat_io.backend_type; pg_stat_io.context; pg_stat_io.evictions;
            pg_stat_io.extend_time; pg_stat_io.extends; pg_stat_io.fsync_time; pg_stat_io.fsyncs; pg_stat_io.hits;
            pg_stat_io.object; pg_stat_io.op_bytes; pg_stat_io.read_time; pg_stat_io.reads; pg_stat_io.reuses;
            pg_stat_io.stats_reset; pg_stat_io.write_time; pg_stat_io.writeback_time; pg_stat_io.writebacks;
            pg_stat_io.writes; pg_stat_subscription.leader_pid; pg_stat_sys_indexes.last_idx_scan;
            pg_stat_sys_tables.last_idx_scan; pg_stat_sys_tables.last_seq_scan;
            pg_stat_sys_tables.n_tup_newpage_upd; pg_stat_user_indexes.last_idx_scan;
            pg_stat_user_tables.last_idx_scan; pg_stat_user_tables.last_seq_scan;
            pg_stat_user_tables.n_tup_newpage_upd; pg_stat_xact_all_tables.n_tup_newpage_upd;
            pg_stat_xact_sys_tables.n_tup_newpage_upd; pg_stat_xact_user_tables.n_tup_newpage_upd;
            pg_subscription.suborigin; pg_subscription.subpasswordrequired; pg_subscription.subrunasowner
            """,
            "",
        ),
    },
    17: {
        "function": (
            """
            binary_upgrade_add_sub_rel_state(text, oid, "char", pg_lsn);
            binary_upgrade_logical_slot_has_caught_up(name); binary_upgrade_replorigin_advance(text, pg_lsn);
            icu_unicode_version(); jsonb_populate_record_valid(anyelement, jsonb); pg_available_wal_summaries();
            pg_basetype(regtype); pg_column_toast_chunk_id("any"); pg_create_logical_replication_slot(name, name,
            boolean=, boolean=, boolean=); pg_get_wait_events(); pg_get_wal_summarizer_state();
            pg_logical_emit_message(boolean, text, bytea, boolean=); pg_logical_emit_message(boolean, text, text,
            boolean=); pg_stat_get_checkpointer_buffers_written(); pg_stat_get_checkpointer_num_requested();
            pg_stat_get_checkpointer_num_timed(); pg_stat_get_checkpointer_restartpoints_performed();
            pg_stat_get_checkpointer_restartpoints_requested(); pg_stat_get_checkpointer_restartpoints_timed();
            pg_stat_get_checkpointer_stat_reset_time(); pg_stat_get_checkpointer_sync_time();
            pg_stat_get_checkpointer_write_time(); pg_stat_reset_shared(text=); pg_stat_reset_slru(text=);
            pg_sync_replication_slots(); pg_wal_summary_contents(bigint, pg_lsn, pg_lsn); random(bigint, bigint);
            random(integer, integer); random(numeric, numeric); timezone(time with time zone); timezone(timestamp
            with time zone); timezone(timestamp without time zone); to_bin(bigint); to_bin(integer); to_oct(bigint);
            to_oct(integer); to_regtypemod(text); unicode_assigned(text); unicode_version();
            uuid_extract_timestamp(uuid); uuid_extract_version(uuid); xmltext(text)
            """,
            """
            interval_accum(interval[], interval); interval_accum_inv(interval[], interval);
            interval_avg(interval[]); interval_combine(interval[], interval[]);
            pg_create_logical_replication_slot(name, name, boolean=, boolean=); pg_logical_emit_message(boolean,
            text, bytea); pg_logical_emit_message(boolean, text, text); pg_read_file_old(text, bigint, bigint);
            pg_rotate_logfile_old(); pg_stat_get_bgwriter_buf_written_checkpoints();
            pg_stat_get_bgwriter_requested_checkpoints(); pg_stat_get_bgwriter_timed_checkpoints();
            pg_stat_get_buf_fsync_backend(); pg_stat_get_buf_written_backend(); pg_stat_get_checkpoint_sync_time();
            pg_stat_get_checkpoint_write_time(); pg_stat_reset_shared(text); pg_stat_reset_slru(text)
            """,
        ),
        "setting": (
            """
            allow_alter_system; commit_timestamp_buffers; enable_group_by_reordering; event_triggers;
            huge_pages_status; io_combine_limit; max_notify_queue_pages; multixact_member_buffers;
            multixact_offset_buffers; notify_buffers; serializable_buffers; subtransaction_buffers; summarize_wal;
            sync_replication_slots; synchronized_standby_slots; transaction_buffers; transaction_timeout;
            wal_summary_keep_time
            """,
            """
            db_user_namespace; old_snapshot_threshold
            """,
        ),
        "role": (
            """
            pg_maintain
            """,
            "",
        ),
        "relation": (
            """
            pg_stat_checkpointer; pg_wait_events
            """,
            "",
        ),
        "column": (
            """
            pg_collation.colllocale; pg_database.dathasloginevt; pg_database.datlocale;
            pg_replication_slots.failover; pg_replication_slots.inactive_since;
            pg_replication_slots.invalidation_reason; pg_replication_slots.synced;
            pg_stat_checkpointer.buffers_written; pg_stat_checkpointer.num_requested;
            pg_stat_checkpointer.num_timed; pg_stat_checkpointer.restartpoints_done;
            pg_stat_checkpointer.restartpoints_req; pg_stat_checkpointer.restartpoints_timed;
            pg_stat_checkpointer.stats_reset; pg_stat_checkpointer.sync_time; pg_stat_checkpointer.write_time;
            pg_stat_progress_copy.tuples_skipped; pg_stat_progress_vacuum.dead_tuple_bytes;
            pg_stat_progress_vacuum.indexes_processed; pg_stat_progress_vacuum.indexes_total;
            pg_stat_progress_vacuum.max_dead_tuple_bytes; pg_stat_progress_vacuum.num_dead_item_ids;
            pg_stat_subscription.worker_type; pg_stats.range_bounds_histogram; pg_stats.range_empty_frac;
            pg_stats.range_length_histogram; pg_subscription.subfailover; pg_wait_events.description;
            pg_wait_events.name; pg_wait_events.type
            """,
            """
            pg_collation.colliculocale; pg_database.daticulocale; pg_stat_bgwriter.buffers_backend;
            pg_stat_bgwriter.buffers_backend_fsync; pg_stat_bgwriter.buffers_checkpoint;
            pg_stat_bgwriter.checkpoint_sync_time; pg_stat_bgwriter.checkpoint_write_time;
            pg_stat_bgwriter.checkpoints_req; pg_stat_bgwriter.checkpoints_timed;
            pg_stat_progress_vacuum.max_dead_tuples; pg_stat_progress_vacuum.num_dead_tuples
            """,
        ),
    },
    18: {
        "function": (
            """
            array_reverse(anyarray); array_sort(anyarray); array_sort(anyarray, boolean); array_sort(anyarray,
            boolean, boolean); bytea(bigint); bytea(integer); bytea(smallint); bytea_larger(bytea, bytea);
            bytea_smaller(bytea, bytea); casefold(text); crc32(bytea); crc32c(bytea); gamma(double precision);
            gist_translate_cmptype_common(integer); has_largeobject_privilege(name, oid, text);
            has_largeobject_privilege(oid, oid, text); has_largeobject_privilege(oid, text); hashbool(boolean);
            hashboolextended(boolean, bigint); hashbytea(bytea); hashbyteaextended(bytea, bigint); hashcid(cid);
            hashcidextended(cid, bigint); hashdate(date); hashdateextended(date, bigint); hashxid(xid);
            hashxid8(xid8); hashxid8extended(xid8, bigint); hashxidextended(xid, bigint); int2(bytea); int4(bytea);
            int8(bytea); json_strip_nulls(json, boolean=); jsonb_strip_nulls(jsonb, boolean=); lgamma(double
            precision); max(bytea); max(record); min(bytea); min(record); pg_clear_attribute_stats(text, text, text,
            boolean); pg_clear_relation_stats(text, text); pg_get_acl(oid, oid, integer); pg_get_aios();
            pg_get_loaded_modules(); pg_get_sequence_data(regclass); pg_get_shmem_allocations_numa();
            pg_ls_summariesdir(); pg_numa_available(); pg_restore_attribute_stats("any");
            pg_restore_relation_stats("any"); pg_stat_get_backend_io(integer); pg_stat_get_backend_wal(integer);
            pg_stat_get_checkpointer_num_performed(); pg_stat_get_checkpointer_slru_written();
            pg_stat_get_db_parallel_workers_launched(oid); pg_stat_get_db_parallel_workers_to_launch(oid);
            pg_stat_get_total_analyze_time(oid); pg_stat_get_total_autoanalyze_time(oid);
            pg_stat_get_total_autovacuum_time(oid); pg_stat_get_total_vacuum_time(oid); pg_stat_have_stats(text,
            oid, bigint); pg_stat_reset_backend_stats(integer); pg_timezone_abbrevs_abbrevs();
            pg_timezone_abbrevs_zone(); record_larger(record, record); record_smaller(record, record);
            reverse(bytea); timestamptz_hash(timestamp with time zone); timestamptz_hash_extended(timestamp with
            time zone, bigint); uuidv4(); uuidv7(); uuidv7(interval)
            """,
            """
            json_strip_nulls(json); jsonb_strip_nulls(jsonb); pg_stat_have_stats(text, oid, oid);
            pg_timezone_abbrevs()
            """,
        ),
        "setting": (
            """
            autovacuum_vacuum_max_threshold; autovacuum_worker_slots; enable_distinct_reordering;
            enable_self_join_elimination; extension_control_path; file_copy_method; idle_replication_slot_timeout;
            io_max_combine_limit; io_max_concurrency; io_method; io_workers; log_lock_failures;
            max_active_replication_origins; md5_password_warnings; num_os_semaphores; oauth_validator_libraries;
            ssl_groups; ssl_tls13_ciphers; track_cost_delay_timing; vacuum_max_eager_freeze_failure_rate;
            vacuum_truncate
            """,
            """
            ssl_ecdh_curve
            """,
        ),
        "role": (
            """
            pg_signal_autovacuum_worker
            """,
            "",
        ),
        "relation": (
            """
            pg_aios; pg_shmem_allocations_numa
            """,
            "",
        ),
        "column": (
            """
            pg_aios.f_buffered; pg_aios.f_localmem; pg_aios.f_sync; pg_aios.handle_data_len; pg_aios.io_generation;
            pg_aios.io_id; pg_aios.length; pg_aios.off; pg_aios.operation; pg_aios.pid; pg_aios.raw_result;
            pg_aios.result; pg_aios.state; pg_aios.target; pg_aios.target_desc; pg_backend_memory_contexts.path;
            pg_backend_memory_contexts.type; pg_class.relallfrozen; pg_constraint.conenforced;
            pg_constraint.conperiod; pg_publication.pubgencols; pg_replication_slots.two_phase_at;
            pg_shmem_allocations_numa.name; pg_shmem_allocations_numa.numa_node; pg_shmem_allocations_numa.size;
            pg_stat_all_tables.total_analyze_time; pg_stat_all_tables.total_autoanalyze_time;
            pg_stat_all_tables.total_autovacuum_time; pg_stat_all_tables.total_vacuum_time;
            pg_stat_checkpointer.num_done; pg_stat_checkpointer.slru_written;
            pg_stat_database.parallel_workers_launched; pg_stat_database.parallel_workers_to_launch;
            pg_stat_io.extend_bytes; pg_stat_io.read_bytes; pg_stat_io.write_bytes;
            pg_stat_progress_analyze.delay_time; pg_stat_progress_vacuum.delay_time;
            pg_stat_subscription_stats.confl_delete_missing; pg_stat_subscription_stats.confl_delete_origin_differs;
            pg_stat_subscription_stats.confl_insert_exists;
            pg_stat_subscription_stats.confl_multiple_unique_conflicts;
            pg_stat_subscription_stats.confl_update_exists; pg_stat_subscription_stats.confl_update_missing;
            pg_stat_subscription_stats.confl_update_origin_differs; pg_stat_sys_tables.total_analyze_time;
            pg_stat_sys_tables.total_autoanalyze_time; pg_stat_sys_tables.total_autovacuum_time;
            pg_stat_sys_tables.total_vacuum_time; pg_stat_user_tables.total_analyze_time;
            pg_stat_user_tables.total_autoanalyze_time; pg_stat_user_tables.total_autovacuum_time;
            pg_stat_user_tables.total_vacuum_time
            """,
            """
            pg_attribute.attcacheoff; pg_backend_memory_contexts.parent; pg_stat_io.op_bytes; pg_stat_wal.wal_sync;
            pg_stat_wal.wal_sync_time; pg_stat_wal.wal_write; pg_stat_wal.wal_write_time
            """,
        ),
    },
}
