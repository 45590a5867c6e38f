"""What a user's program does with PostgREST's Python client: read, insert, read again, delete.

Usage: client.py URL; the key is in the environment's KEY. Prints one JSON object.
"""

import importlib.metadata
import json
import os
import sys

from postgrest import SyncPostgrestClient

key = os.environ["KEY"]
client = SyncPostgrestClient(sys.argv[1], headers={"apikey": key, "Authorization": "Bearer " + key})
settings = client.from_("archon_settings").select("key,value").order("key").execute().data
inserted = client.from_("archon_settings").insert({"key": "CLIENT_PY", "value": "é"}).execute().data
found = client.from_("archon_settings").select("value").eq("key", "CLIENT_PY").execute().data
client.from_("archon_settings").delete().eq("key", "CLIENT_PY").execute()
left = client.from_("archon_settings").select("key").eq("key", "CLIENT_PY").execute().data
print(
    json.dumps(
        {
            "client": "postgrest " + importlib.metadata.version("postgrest"),
            "settings": len(settings),
            "inserted": [row["key"] for row in inserted],
            "found": [row["value"] for row in found],
            "left": len(left),
        }
    )
)
