"""The command airflow, on the database that the variables DATABASE_HOST, _NAME, _USER and _PASSWORD name."""

import os
from urllib.parse import quote

# The driver is named, for SQLAlchemy's own choice is one that isn't here.
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg2://{}:{}@{}/{}".format(
    *(quote(os.environ[f"DATABASE_{part}"], safe="") for part in ("USER", "PASSWORD", "HOST", "NAME"))
)

from airflow.__main__ import main  # noqa: E402  the import reads the variable

main()
