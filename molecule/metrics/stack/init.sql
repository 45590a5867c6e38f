CREATE DATABASE shop;
CREATE DATABASE blog CONNECTION LIMIT 50;
\connect shop
CREATE TABLE shop_order (id integer PRIMARY KEY, what text);
INSERT INTO shop_order SELECT n, 'thing ' || n FROM generate_series(1, 500) n;
\connect blog
CREATE TABLE blog_post (id integer PRIMARY KEY, text text);
INSERT INTO blog_post SELECT n, 'words ' || n FROM generate_series(1, 100) n;
