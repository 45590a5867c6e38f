#!/bin/sh
set -eu
# The server doesn't start on a database without its tables, and makes none by itself.
airflow db migrate
exec airflow api-server
