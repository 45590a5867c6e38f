// Opens a page as several people would, and tells what they see.
//
// Standard input: {"html": text, "views": {name: {"width", "height", "scheme": "light|dark", "media": "screen|print",
// "picture": bool}}, "print": bool}. Standard output: {"mistakes": [what the validator says], "requests": [what was asked for beside
// the page itself], "complaints": [what the browser logged], "title", "views": {name: {what measure.js returns,
// "png": base64 of the whole page}}; with "print" also "sheets": how many it takes, "pdf": base64}.
//
// Ends with 75, sysexits' EX_TEMPFAIL, where the browser ended by itself: it says nothing of the page.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { FileSystemConfigLoader, HtmlValidate } from "html-validate";

const { html, views, print = false } = JSON.parse(readFileSync(0, "utf8"));
const measure = readFileSync("/app/measure.js", "utf8");
const folder = mkdtempSync("/tmp/look-");
const address = pathToFileURL(`${folder}/page.html`).href;
writeFileSync(`${folder}/page.html`, html);

// The browser's own protocol, over pipes: messages of JSON that end with a zero byte.
const chromium = spawn(
  "chromium-headless-shell",
  // A container of the tests has no /dev/shm to speak of, and no namespaces to give.
  ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", `--user-data-dir=${folder}/profile`,
    "--remote-debugging-pipe"],
  { stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"], env: { ...process.env, HOME: folder } },
);
const waiting = new Map();
const requests = [];
const complaints = [];
let loaded = () => {};
let last = 0;
let rest = Buffer.alloc(0);

chromium.stdio[4].on("data", (piece) => {
  rest = Buffer.concat([rest, piece]);
  for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
    const message = JSON.parse(rest.subarray(0, end).toString("utf8"));
    rest = rest.subarray(end + 1);
    if (message.id) {
      const { resolve, reject, method } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) reject(new Error(`${method}: ${message.error.message}`));
      else resolve(message.result);
    } else if (message.method === "Network.requestWillBeSent") {
      const { url } = message.params.request;
      if (url !== address) requests.push(url);
    } else if (message.method === "Log.entryAdded") complaints.push(message.params.entry.text);
    else if (message.method === "Runtime.exceptionThrown") complaints.push(message.params.exceptionDetails.text);
    else if (message.method === "Page.loadEventFired") loaded();
  }
});

// Else nobody would answer any more, and node would end without a word.
let wanted = true;
chromium.on("exit", (code, signal) => {
  if (!wanted) return;
  console.error(`The browser ended by itself, with ${signal ?? `status ${code}`}.`);
  process.exit(75);
});
chromium.stdio[3].on("error", () => {});

function send(method, params = {}, sessionId = undefined) {
  last += 1;
  const id = last;
  chromium.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, method });
  });
}

const { targetId } = await send("Target.createTarget", { url: "about:blank" });
const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
const ask = (method, params) => send(method, params, sessionId);
for (const domain of ["Page", "Network", "Log", "Runtime"]) await ask(`${domain}.enable`);

async function open() {
  const done = new Promise((resolve) => {
    loaded = resolve;
  });
  await ask("Page.navigate", { url: address });
  await done;
}

const seen = {};
let title = "";
for (const [name, view] of Object.entries(views)) {
  const { width, height, scheme = "light", media = "screen", picture = true } = view;
  const mobile = width < 600;
  await ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
  const features = [{ name: "prefers-color-scheme", value: scheme }];
  await ask("Emulation.setEmulatedMedia", { media: media === "print" ? "print" : "", features });
  await open();
  const { result, exceptionDetails } = await ask("Runtime.evaluate", { expression: measure, returnByValue: true });
  if (exceptionDetails) throw new Error(`measure.js: ${exceptionDetails.exception.description}`);
  seen[name] = result.value;
  title = result.value.title;
  if (picture) {
    const clip = { x: 0, y: 0, width, height: Math.min(result.value.height, 16000 / (mobile ? 2 : 1)), scale: 1 };
    const { data } = await ask("Page.captureScreenshot", { captureBeyondViewport: true, clip });
    seen[name].png = data;
  }
}
const printed = {};
if (print) {
  await ask("Emulation.setEmulatedMedia", { media: "", features: [] });
  await ask("Emulation.clearDeviceMetricsOverride");
  await open();
  printed.pdf = (await ask("Page.printToPDF", { preferCSSPageSize: true, printBackground: false })).data;
  printed.sheets = Buffer.from(printed.pdf, "base64").toString("latin1").match(/\/Type\s*\/Page\b/g).length;
}
wanted = false;
await send("Browser.close");

// How much of a title a search engine shows is no matter here.
const rules = { extends: ["html-validate:recommended", "html-validate:a11y"], rules: { "long-title": "off" } };
const report = await new HtmlValidate(new FileSystemConfigLoader({ root: true, ...rules })).validateString(html);
const mistakes = report.results.flatMap((found) =>
  found.messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${ruleId}: ${message}`),
);
// Whoever reads a pipe may be slower than what is written to it.
process.stdout.write(JSON.stringify({ mistakes, requests, complaints, title, views: seen, ...printed }));
