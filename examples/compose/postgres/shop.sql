CREATE ROLE shop NOLOGIN;
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL);
INSERT INTO orders (what) VALUES ('coffee'), ('tea');
GRANT SELECT, INSERT ON orders TO shop;
