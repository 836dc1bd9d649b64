-- Run once as MariaDB's administrator, with the password in place of PASSWORD:
--   sed "s/PASSWORD/$(cat password-file)/" create-database.sql | mariadb
-- The account may change tables, because `yunzhuo db upgrade` does.
CREATE DATABASE yunzhuo CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE USER 'yunzhuo'@'localhost' IDENTIFIED BY 'PASSWORD';
GRANT ALL PRIVILEGES ON yunzhuo.* TO 'yunzhuo'@'localhost';
CREATE USER 'yunzhuo'@'127.0.0.1' IDENTIFIED BY 'PASSWORD';
GRANT ALL PRIVILEGES ON yunzhuo.* TO 'yunzhuo'@'127.0.0.1';
