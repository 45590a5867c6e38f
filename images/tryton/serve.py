"""Writes Tryton's configuration from the variables DATABASE_HOST, _USER and _PASSWORD, and becomes its server.

The database's own name, DATABASE_NAME, is for trytond-admin and for who asks: it is a part of each URL.
"""

import os
import pathlib
from urllib.parse import quote

host, user, password = (quote(os.environ[f"DATABASE_{part}"], safe="") for part in ("HOST", "USER", "PASSWORD"))
pathlib.Path(os.environ["TRYTOND_CONFIG"]).write_text(
    f"[database]\nuri = postgresql://{user}:{password}@{host}\n\n[web]\nlisten = 0.0.0.0:8000\n", encoding="utf-8"
)
os.execvp("trytond", ["trytond"])
