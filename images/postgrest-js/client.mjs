// What a user's program does with PostgREST's JavaScript client: read, insert, read again, delete.
//
// Usage: client.mjs URL; the key is in the environment's KEY. Prints one JSON object.
import { readFileSync } from "node:fs";
import { PostgrestClient } from "@supabase/postgrest-js";

const key = process.env.KEY;
const headers = { apikey: key, Authorization: `Bearer ${key}` };
const client = new PostgrestClient(process.argv[2], { headers });

async function rows(request) {
  const { data, error } = await request;
  if (error) throw new Error(JSON.stringify(error));
  return data;
}

const settings = await rows(client.from("archon_settings").select("key,value").order("key"));
const inserted = await rows(client.from("archon_settings").insert({ key: "CLIENT_JS", value: "é" }).select());
const found = await rows(client.from("archon_settings").select("value").eq("key", "CLIENT_JS"));
await rows(client.from("archon_settings").delete().eq("key", "CLIENT_JS"));
const left = await rows(client.from("archon_settings").select("key").eq("key", "CLIENT_JS"));
const { version } = JSON.parse(readFileSync("/app/node_modules/@supabase/postgrest-js/package.json", "utf8"));
console.log(
  JSON.stringify({
    client: `postgrest-js ${version}`,
    settings: settings.length,
    inserted: inserted.map((row) => row.key),
    found: found.map((row) => row.value),
    left: left.length,
  }),
);
