-- What Archon has collected so far. All of it in "postgres".

INSERT INTO archon_sources (source_id, source_url, source_display_name, title, summary, total_word_count, metadata)
SELECT 'source-' || n, format('https://docs-%s.example.org/', n), 'Docs ' || n, 'Documentation ' || n, 'What docs ' || n || ' say',
       n * 1200, jsonb_build_object('knowledge_type', CASE WHEN n % 4 = 0 THEN 'business' ELSE 'technical' END)
FROM generate_series(1, 40) n;

INSERT INTO archon_page_metadata (source_id, url, full_content, section_title, section_order, word_count, chunk_count)
SELECT 'source-' || 1 + n % 40, format('https://docs-%s.example.org/page/%s', 1 + n % 40, n), repeat('All about page ' || n || '. ', 40),
       'Section ' || n % 9, n % 9, 160, 5
FROM generate_series(1, 600) n;

-- naming the outer row makes the inner query a new one, with new numbers, for each row
INSERT INTO archon_crawled_pages (url, chunk_number, content, metadata, source_id, page_id, embedding_1536, embedding_model, embedding_dimension)
SELECT p.url, k, format('Chunk %s of %s: how to configure part %s', k, p.url, md5(p.url || k)), jsonb_build_object('chunk', k, 'lang', 'en'),
       p.source_id, p.id, (SELECT array_agg(random()::real - 0.5) FROM generate_series(1, 1536) i WHERE k >= 0)::vector, 'text-embedding-3-small', 1536
FROM archon_page_metadata p, generate_series(0, 4) k;

INSERT INTO archon_code_examples (url, chunk_number, content, summary, metadata, source_id, embedding_1536, embedding_model, embedding_dimension)
SELECT format('https://docs-%s.example.org/page/%s', 1 + n % 40, n), 0, format(E'def example_%s():\n    return %s\n', n, n), 'Returns the number ' || n,
       '{"language": "python"}', 'source-' || 1 + n % 40, (SELECT array_agg(random()::real - 0.5) FROM generate_series(1, 1536) i WHERE n > 0)::vector,
       'text-embedding-3-small', 1536
FROM generate_series(1, 800) n;

INSERT INTO archon_projects (title, description, github_repo, pinned)
SELECT 'Project ' || n, 'What project ' || n || ' is for', format('https://git.example.org/p%s', n), n = 1 FROM generate_series(1, 12) n;

INSERT INTO archon_tasks (project_id, title, status, priority, task_order, feature)
SELECT p.id, format('Task %s of %s', k, p.title), (ARRAY['todo', 'doing', 'review', 'done'])[1 + k % 4]::archon_task_status,
       (ARRAY['low', 'medium', 'high', 'critical'])[1 + k % 4]::archon_priority, k, 'feature-' || k % 5
FROM archon_projects p, generate_series(1, 25) k;

INSERT INTO archon_project_sources (project_id, source_id, notes)
SELECT id, 'source-' || k, 'linked by hand' FROM archon_projects, generate_series(1, 4) k;

INSERT INTO archon_document_versions (project_id, field_name, version_number, content, change_summary)
SELECT id, 'docs', k, jsonb_build_object('title', title, 'revision', k), 'Revision ' || k FROM archon_projects, generate_series(1, 8) k;

ANALYZE;
