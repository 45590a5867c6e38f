-- =====================================================
-- Archon (demo): complete database setup
-- =====================================================
-- Creates everything in an empty database: extensions, tables, indices, triggers, search functions, policies, settings.
-- Run it once. It is not made to be run again.
--
-- It needs what Supabase gives: the schema auth with auth.role(), and the role authenticated.
-- =====================================================

-- -----------------------------------------------------
-- 1. Extensions
-- -----------------------------------------------------

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- -----------------------------------------------------
-- 2. Types and the function for updated_at
-- -----------------------------------------------------

CREATE TYPE archon_task_status AS ENUM ('todo', 'doing', 'review', 'done');
CREATE TYPE archon_priority AS ENUM ('low', 'medium', 'high', 'critical');

CREATE FUNCTION archon_touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END
$$;

-- -----------------------------------------------------
-- 3. Settings
-- -----------------------------------------------------

CREATE TABLE archon_settings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key varchar(255) NOT NULL UNIQUE,
    value text,
    encrypted_value text,
    is_encrypted boolean NOT NULL DEFAULT false,
    category varchar(100),
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX archon_settings_category_idx ON archon_settings (category);
CREATE TRIGGER archon_settings_touch BEFORE UPDATE ON archon_settings
    FOR EACH ROW EXECUTE FUNCTION archon_touch_updated_at();

INSERT INTO archon_settings (key, value, is_encrypted, category, description) VALUES
    ('HOST', '0.0.0.0', false, 'server', 'Address that the services listen on'),
    ('PORT', '8181', false, 'server', 'Port of the API'),
    ('MCP_PORT', '8051', false, 'server', 'Port of the MCP service'),
    ('AGENTS_PORT', '8053', false, 'server', 'Port of the work orders'),
    ('TRANSPORT', 'dual', false, 'server', 'How MCP clients connect: sse, stdio or dual'),
    ('LOG_LEVEL', 'INFO', false, 'server', 'How much the services log'),
    ('REQUEST_TIMEOUT_SECONDS', '30', false, 'server', 'After this long a request is given up'),
    ('CORS_ORIGINS', '*', false, 'server', 'Which pages may call the API'),
    ('OPENAI_API_KEY', NULL, true, 'api_keys', 'Key for OpenAI'),
    ('GOOGLE_API_KEY', NULL, true, 'api_keys', 'Key for Gemini'),
    ('ANTHROPIC_API_KEY', NULL, true, 'api_keys', 'Key for Anthropic'),
    ('OPENROUTER_API_KEY', NULL, true, 'api_keys', 'Key for OpenRouter'),
    ('GITHUB_TOKEN', NULL, true, 'api_keys', 'Token to read private repositories'),
    ('LLM_PROVIDER', 'openai', false, 'rag_strategy', 'Which provider answers'),
    ('LLM_BASE_URL', NULL, false, 'rag_strategy', 'Another address of the provider'),
    ('MODEL_CHOICE', 'gpt-4.1-nano', false, 'rag_strategy', 'Model for summaries'),
    ('EMBEDDING_PROVIDER', 'openai', false, 'rag_strategy', 'Which provider makes embeddings'),
    ('EMBEDDING_MODEL', 'text-embedding-3-small', false, 'rag_strategy', 'Model for embeddings'),
    ('EMBEDDING_DIMENSIONS', '1536', false, 'rag_strategy', 'Length of an embedding'),
    ('USE_CONTEXTUAL_EMBEDDINGS', 'false', false, 'rag_strategy', 'Put a chunk into its context before embedding it'),
    ('CONTEXTUAL_EMBEDDINGS_MAX_WORKERS', '3', false, 'rag_strategy', 'How many chunks at once'),
    ('USE_HYBRID_SEARCH', 'true', false, 'rag_strategy', 'Join vector and text search'),
    ('USE_AGENTIC_RAG', 'true', false, 'rag_strategy', 'Extract and search code examples'),
    ('USE_RERANKING', 'true', false, 'rag_strategy', 'Order results once more'),
    ('MATCH_COUNT', '5', false, 'rag_strategy', 'How many results a search returns'),
    ('SIMILARITY_THRESHOLD', '0.05', false, 'rag_strategy', 'Results below this are dropped'),
    ('CRAWL_BATCH_SIZE', '50', false, 'crawling', 'Pages in one batch'),
    ('CRAWL_MAX_CONCURRENT', '10', false, 'crawling', 'Pages at once'),
    ('CRAWL_MAX_DEPTH', '3', false, 'crawling', 'How deep links are followed'),
    ('CRAWL_WAIT_STRATEGY', 'domcontentloaded', false, 'crawling', 'When a page counts as loaded'),
    ('CRAWL_PAGE_TIMEOUT', '60000', false, 'crawling', 'Milliseconds for one page'),
    ('CRAWL_DELAY_BEFORE_HTML', '0.5', false, 'crawling', 'Seconds until a page is read'),
    ('CHUNK_SIZE', '5000', false, 'crawling', 'Characters in one chunk'),
    ('CHUNK_OVERLAP', '200', false, 'crawling', 'Characters that two chunks share'),
    ('DOCUMENT_STORAGE_BATCH_SIZE', '50', false, 'performance', 'Rows in one insert'),
    ('EMBEDDING_BATCH_SIZE', '200', false, 'performance', 'Texts in one request for embeddings'),
    ('DELETE_BATCH_SIZE', '100', false, 'performance', 'Rows in one delete'),
    ('MEMORY_THRESHOLD_PERCENT', '80', false, 'performance', 'Above this no new page is begun'),
    ('DISPATCHER_CHECK_INTERVAL', '0.5', false, 'performance', 'Seconds between two looks at the memory'),
    ('MIN_CODE_BLOCK_LENGTH', '250', false, 'code_extraction', 'Shorter blocks are no examples'),
    ('MAX_CODE_BLOCK_LENGTH', '5000', false, 'code_extraction', 'Longer blocks are cut'),
    ('ENABLE_CODE_SUMMARIES', 'true', false, 'code_extraction', 'Have each example summarised'),
    ('PROJECTS_ENABLED', 'true', false, 'features', 'Show projects and tasks'),
    ('STYLE_GUIDE_ENABLED', 'false', false, 'features', 'Show the style guide'),
    ('LOGFIRE_ENABLED', 'false', false, 'features', 'Send traces away');

-- -----------------------------------------------------
-- 4. Knowledge: sources, pages, examples
-- -----------------------------------------------------

CREATE TABLE archon_sources (
    source_id text PRIMARY KEY,
    source_url text,
    source_display_name text,
    title text,
    summary text,
    total_word_count integer NOT NULL DEFAULT 0 CHECK (total_word_count >= 0),
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX archon_sources_title_idx ON archon_sources (title);
CREATE INDEX archon_sources_metadata_idx ON archon_sources USING gin (metadata);
CREATE TRIGGER archon_sources_touch BEFORE UPDATE ON archon_sources
    FOR EACH ROW EXECUTE FUNCTION archon_touch_updated_at();

CREATE TABLE archon_page_metadata (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_id text NOT NULL REFERENCES archon_sources ON DELETE CASCADE,
    url text NOT NULL,
    full_content text NOT NULL,
    section_title text,
    section_order integer NOT NULL DEFAULT 0,
    word_count integer NOT NULL DEFAULT 0,
    chunk_count integer NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT archon_page_metadata_url_key UNIQUE (url)
);
CREATE INDEX archon_page_metadata_source_idx ON archon_page_metadata (source_id);

CREATE TABLE archon_crawled_pages (
    id bigserial PRIMARY KEY,
    url varchar NOT NULL,
    chunk_number integer NOT NULL CHECK (chunk_number >= 0),
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    source_id text NOT NULL REFERENCES archon_sources,
    page_id uuid REFERENCES archon_page_metadata ON DELETE SET NULL,
    embedding_768 vector(768),
    embedding_1536 vector(1536),
    embedding_model text,
    embedding_dimension integer CHECK (embedding_dimension IN (768, 1536)),
    content_search tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (url, chunk_number)
);
CREATE INDEX archon_crawled_pages_source_idx ON archon_crawled_pages (source_id);
CREATE INDEX archon_crawled_pages_metadata_idx ON archon_crawled_pages USING gin (metadata);
CREATE INDEX archon_crawled_pages_search_idx ON archon_crawled_pages USING gin (content_search);
CREATE INDEX archon_crawled_pages_url_trgm_idx ON archon_crawled_pages USING gin (url gin_trgm_ops);
CREATE INDEX archon_crawled_pages_embedding_768_idx ON archon_crawled_pages
    USING ivfflat (embedding_768 vector_cosine_ops) WITH (lists = 20);
CREATE INDEX archon_crawled_pages_embedding_1536_idx ON archon_crawled_pages
    USING ivfflat (embedding_1536 vector_cosine_ops) WITH (lists = 20);

CREATE TABLE archon_code_examples (
    id bigserial PRIMARY KEY,
    url varchar NOT NULL,
    chunk_number integer NOT NULL CHECK (chunk_number >= 0),
    content text NOT NULL,
    summary text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    source_id text NOT NULL REFERENCES archon_sources,
    embedding_768 vector(768),
    embedding_1536 vector(1536),
    embedding_model text,
    embedding_dimension integer CHECK (embedding_dimension IN (768, 1536)),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (url, chunk_number)
);
CREATE INDEX archon_code_examples_source_idx ON archon_code_examples (source_id);
CREATE INDEX archon_code_examples_summary_trgm_idx ON archon_code_examples USING gin (summary gin_trgm_ops);
CREATE INDEX archon_code_examples_embedding_1536_idx ON archon_code_examples
    USING ivfflat (embedding_1536 vector_cosine_ops) WITH (lists = 10);

-- -----------------------------------------------------
-- 5. Projects and tasks
-- -----------------------------------------------------

CREATE TABLE archon_projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    docs jsonb NOT NULL DEFAULT '[]',
    features jsonb NOT NULL DEFAULT '[]',
    data jsonb NOT NULL DEFAULT '[]',
    github_repo text,
    pinned boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER archon_projects_touch BEFORE UPDATE ON archon_projects
    FOR EACH ROW EXECUTE FUNCTION archon_touch_updated_at();

CREATE TABLE archon_tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint GENERATED ALWAYS AS IDENTITY,
    project_id uuid REFERENCES archon_projects ON DELETE CASCADE,
    parent_task_id uuid REFERENCES archon_tasks ON DELETE CASCADE,
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    status archon_task_status NOT NULL DEFAULT 'todo',
    priority archon_priority NOT NULL DEFAULT 'medium',
    assignee text NOT NULL DEFAULT 'User' CHECK (assignee <> ''),
    task_order integer NOT NULL DEFAULT 0,
    feature text,
    sources jsonb NOT NULL DEFAULT '[]',
    archived boolean NOT NULL DEFAULT false,
    archived_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (archived OR archived_at IS NULL)
);
CREATE INDEX archon_tasks_project_idx ON archon_tasks (project_id, status);
CREATE INDEX archon_tasks_open_idx ON archon_tasks (task_order) WHERE NOT archived;
CREATE TRIGGER archon_tasks_touch BEFORE UPDATE ON archon_tasks
    FOR EACH ROW EXECUTE FUNCTION archon_touch_updated_at();

CREATE TABLE archon_project_sources (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES archon_projects ON DELETE CASCADE,
    source_id text NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT 'system',
    notes text,
    UNIQUE (project_id, source_id)
);

CREATE TABLE archon_document_versions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES archon_projects ON DELETE CASCADE,
    task_id uuid REFERENCES archon_tasks ON DELETE CASCADE,
    field_name text NOT NULL CHECK (field_name IN ('docs', 'features', 'data', 'prd')),
    version_number integer NOT NULL CHECK (version_number > 0),
    content jsonb NOT NULL,
    change_summary text,
    change_type text NOT NULL DEFAULT 'update',
    created_by text NOT NULL DEFAULT 'system',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (project_id IS NOT NULL OR task_id IS NOT NULL),
    UNIQUE (project_id, task_id, field_name, version_number)
);

CREATE TABLE archon_prompts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    prompt_name text NOT NULL UNIQUE,
    prompt text NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER archon_prompts_touch BEFORE UPDATE ON archon_prompts
    FOR EACH ROW EXECUTE FUNCTION archon_touch_updated_at();

INSERT INTO archon_prompts (prompt_name, prompt, description) VALUES
    ('document_builder', 'Write the document that the request asks for, as JSON.', 'Makes documents of a project'),
    ('feature_builder', 'Name the features that the project needs, each with its parts.', 'Plans features'),
    ('data_builder', 'Describe the tables and how they belong together.', 'Plans a data model');

-- -----------------------------------------------------
-- 6. Search
-- -----------------------------------------------------

CREATE FUNCTION match_archon_crawled_pages(
    query_embedding vector(1536),
    match_count integer DEFAULT 10,
    filter jsonb DEFAULT '{}',
    source_filter text DEFAULT NULL
) RETURNS TABLE (id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, similarity double precision)
LANGUAGE sql STABLE AS $$
    SELECT p.id, p.url, p.chunk_number, p.content, p.metadata, p.source_id, 1 - (p.embedding_1536 <=> query_embedding)
    FROM archon_crawled_pages p
    WHERE p.embedding_1536 IS NOT NULL
      AND p.metadata @> filter
      AND (source_filter IS NULL OR p.source_id = source_filter)
    ORDER BY p.embedding_1536 <=> query_embedding
    LIMIT match_count
$$;

CREATE FUNCTION match_archon_code_examples(
    query_embedding vector(1536),
    match_count integer DEFAULT 10,
    filter jsonb DEFAULT '{}',
    source_filter text DEFAULT NULL
) RETURNS TABLE (id bigint, url varchar, chunk_number integer, content text, summary text, metadata jsonb, source_id text, similarity double precision)
LANGUAGE sql STABLE AS $$
    SELECT e.id, e.url, e.chunk_number, e.content, e.summary, e.metadata, e.source_id, 1 - (e.embedding_1536 <=> query_embedding)
    FROM archon_code_examples e
    WHERE e.embedding_1536 IS NOT NULL
      AND e.metadata @> filter
      AND (source_filter IS NULL OR e.source_id = source_filter)
    ORDER BY e.embedding_1536 <=> query_embedding
    LIMIT match_count
$$;

CREATE FUNCTION hybrid_search_archon_crawled_pages(
    query_embedding vector(1536),
    query_text text,
    match_count integer DEFAULT 10
) RETURNS TABLE (id bigint, url varchar, content text, similarity double precision, match_type text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH by_vector AS (
        SELECT m.id, m.similarity FROM match_archon_crawled_pages(query_embedding, match_count) m
    ), by_text AS (
        SELECT p.id, ts_rank_cd(p.content_search, plainto_tsquery('english', query_text))::double precision AS similarity
        FROM archon_crawled_pages p
        WHERE p.content_search @@ plainto_tsquery('english', query_text)
        ORDER BY 2 DESC
        LIMIT match_count
    )
    SELECT p.id, p.url, p.content, coalesce(v.similarity, t.similarity),
           CASE WHEN v.id IS NULL THEN 'keyword' WHEN t.id IS NULL THEN 'vector' ELSE 'hybrid' END
    FROM by_vector v
    FULL JOIN by_text t USING (id)
    JOIN archon_crawled_pages p USING (id)
    ORDER BY 4 DESC
    LIMIT match_count;
END
$$;

CREATE FUNCTION archive_archon_task(task uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE archon_tasks SET archived = true, archived_at = now() WHERE id = task AND NOT archived;
    RETURN FOUND;
END
$$;

-- -----------------------------------------------------
-- 7. Row level security
-- -----------------------------------------------------

CREATE TABLE archon_migrations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    version varchar(20) NOT NULL,
    migration_name varchar(255) NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    checksum varchar(32),
    UNIQUE (version, migration_name)
);

ALTER TABLE archon_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_page_metadata ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_crawled_pages ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_code_examples ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_project_sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_document_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_prompts ENABLE ROW LEVEL SECURITY;
ALTER TABLE archon_migrations ENABLE ROW LEVEL SECURITY;

-- the services may do everything
CREATE POLICY "service role: all" ON archon_settings USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_sources USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_page_metadata USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_crawled_pages USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_code_examples USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_projects USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_tasks USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_project_sources USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_document_versions USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_prompts USING (auth.role() = 'service_role');
CREATE POLICY "service role: all" ON archon_migrations USING (auth.role() = 'service_role');

-- people who are logged in
CREATE POLICY "logged in: settings" ON archon_settings TO authenticated USING (NOT is_encrypted);
CREATE POLICY "logged in: projects" ON archon_projects TO authenticated USING (true);
CREATE POLICY "logged in: tasks" ON archon_tasks TO authenticated USING (true);
CREATE POLICY "logged in: project sources" ON archon_project_sources TO authenticated USING (true);
CREATE POLICY "logged in: versions" ON archon_document_versions FOR SELECT TO authenticated USING (true);
CREATE POLICY "logged in: prompts" ON archon_prompts FOR SELECT TO authenticated USING (true);
CREATE POLICY "logged in: migrations" ON archon_migrations FOR SELECT TO authenticated USING (true);

-- -----------------------------------------------------
-- 8. What this file contains of the single migrations
-- -----------------------------------------------------

INSERT INTO archon_migrations (version, migration_name) VALUES
    ('0.1.0', '001_source_url_and_display_name'),
    ('0.1.0', '002_hybrid_search'),
    ('0.1.0', '003_embedding_dimensions'),
    ('0.1.0', '004_backfill_embedding_model'),
    ('0.1.0', '005_search_functions_by_dimension'),
    ('0.1.0', '006_embedding_indices'),
    ('0.1.0', '007_task_priority'),
    ('0.1.0', '008_migration_tracking'),
    ('0.1.0', '009_cascade_delete'),
    ('0.1.0', '010_provider_settings'),
    ('0.1.0', '011_page_metadata');

-- =====================================================
-- Done. Put SUPABASE_URL and SUPABASE_SERVICE_KEY into .env and start Archon.
-- =====================================================
