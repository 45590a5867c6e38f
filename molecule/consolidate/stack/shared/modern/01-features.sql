-- What PostgreSQL 17 has, and 15 hasn't.
CREATE DATABASE features;
\connect features
CREATE TABLE orders (id integer PRIMARY KEY, doc jsonb NOT NULL);
CREATE VIEW order_lines AS
  SELECT o.id, l.sku FROM orders o, JSON_TABLE(o.doc, '$.lines[*]' COLUMNS (sku text PATH '$.sku')) l;
CREATE VIEW shelves AS SELECT id, random(1, 10) AS shelf FROM orders;
CREATE COLLATION plain (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE names (name text COLLATE plain);
CREATE FUNCTION lines_of(integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  MERGE INTO orders o USING (SELECT $1 AS id) n ON o.id = n.id
  WHEN NOT MATCHED BY SOURCE THEN DELETE;
  RETURN 1;
END $$;
CREATE ROLE reader;
