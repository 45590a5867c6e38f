-- Odoo. The numbering of orders uses sequences that no column owns: they must move too.
\connect odoo_db
SET ROLE odoo;

CREATE TABLE res_partner (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    email varchar,
    is_company boolean DEFAULT false,
    parent_id integer REFERENCES res_partner ON DELETE SET NULL,
    create_date timestamp DEFAULT now()
);
CREATE INDEX res_partner_name_index ON res_partner (name);
CREATE TABLE res_users (
    id serial PRIMARY KEY,
    login varchar NOT NULL UNIQUE,
    partner_id integer NOT NULL REFERENCES res_partner ON DELETE RESTRICT,
    active boolean DEFAULT true
);
CREATE TABLE ir_sequence (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    code varchar,
    implementation varchar NOT NULL CHECK (implementation IN ('standard', 'no_gap')),
    prefix varchar,
    padding integer NOT NULL
);
CREATE SEQUENCE ir_sequence_003;
CREATE SEQUENCE ir_sequence_007 START 1000;
CREATE TABLE product_template (
    id serial PRIMARY KEY,
    name jsonb NOT NULL,
    list_price numeric,
    active boolean DEFAULT true
);
CREATE TABLE sale_order (
    id serial PRIMARY KEY,
    name varchar NOT NULL UNIQUE,
    partner_id integer NOT NULL REFERENCES res_partner,
    state varchar CHECK (state IN ('draft', 'sent', 'sale', 'cancel')),
    amount_total numeric,
    date_order timestamp NOT NULL
);
CREATE INDEX sale_order_partner_id_index ON sale_order (partner_id);
CREATE TABLE sale_order_line (
    id serial PRIMARY KEY,
    order_id integer NOT NULL REFERENCES sale_order ON DELETE CASCADE,
    product_id integer REFERENCES product_template,
    product_uom_qty numeric NOT NULL CHECK (product_uom_qty >= 0),
    price_unit numeric NOT NULL
);
CREATE TABLE ir_attachment (id serial PRIMARY KEY, name varchar NOT NULL, store_fname varchar, checksum varchar(40), mimetype varchar);
-- many to many: no primary key of its own
CREATE TABLE res_groups_users_rel (gid integer NOT NULL, uid integer NOT NULL REFERENCES res_users ON DELETE CASCADE, UNIQUE (gid, uid));

INSERT INTO ir_sequence (id, name, code, implementation, prefix, padding) VALUES (3, 'Sales Order', 'sale.order', 'standard', 'S', 5), (7, 'Invoice', 'account.move', 'standard', 'INV/', 4);
SELECT setval('ir_sequence_id_seq', 7);
INSERT INTO res_partner (name, email, is_company, parent_id)
SELECT 'Partner ' || n, format('partner%s@example.org', n), n <= 50, CASE WHEN n > 50 THEN 1 + n % 50 END FROM generate_series(1, 800) n;
INSERT INTO res_users (login, partner_id) SELECT 'user' || n, n FROM generate_series(1, 15) n;
INSERT INTO res_groups_users_rel SELECT g, u FROM generate_series(1, 6) g, generate_series(1, 15) u WHERE (g + u) % 2 = 0;
INSERT INTO product_template (name, list_price) SELECT jsonb_build_object('en_US', 'Product ' || n), n * 1.25 FROM generate_series(1, 300) n;
INSERT INTO sale_order (name, partner_id, state, amount_total, date_order)
SELECT 'S' || lpad(nextval('ir_sequence_003')::text, 5, '0'), 1 + n % 800, (ARRAY['draft', 'sent', 'sale', 'cancel'])[1 + n % 4], n * 3.5, now() - n * interval '40 minutes' FROM generate_series(1, 1500) n;
INSERT INTO sale_order_line (order_id, product_id, product_uom_qty, price_unit)
SELECT o.id, 1 + (o.id * k) % 300, k, 9.99 FROM sale_order o, generate_series(1, 3) k;
INSERT INTO ir_attachment (name, store_fname, checksum, mimetype) SELECT 'a' || n || '.pdf', left(md5(n::text), 2) || '/' || md5(n::text), md5(n::text), 'application/pdf' FROM generate_series(1, 200) n;
