// Opens the pages in headless Chromium, inside the official host bridge, in front of the real server.
//
//   NODE_TOOLS=DIR CHROMIUM=PATH PYTHON=PATH [SHOTS=DIR] [ONLY=WORDS] node run.mjs
//
// Prints a line for each check and fails if one of them fails.
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

import { castStories } from "./cast.mjs";
import { resultStories } from "./results.mjs";

const { NODE_TOOLS, CHROMIUM, PYTHON, SHOTS, ONLY } = process.env;
const here = import.meta.dirname;
const require = createRequire(path.join(NODE_TOOLS, "package.json"));
const puppeteer = (await import(require.resolve("puppeteer-core"))).default;
const esbuild = require("esbuild");

const state = fs.mkdtempSync(path.join(os.tmpdir(), "gallery-"));
const closers = [() => fs.rmSync(state, { recursive: true, force: true })];
let failures = 0;

const check = (name, isRight, seen = "") => {
  if (!isRight) failures += 1;
  console.log(isRight ? "ok  " : "FAIL", name, isRight ? "" : JSON.stringify(seen));
};
const same = (name, seen, wanted) => check(name, JSON.stringify(seen) === JSON.stringify(wanted), { seen, wanted });

function serve(answer) {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  closers.push(() => { server.closeAllConnections(); server.close(); });
  return new Promise((resolve) => server.once("listening", () => resolve(server.address().port)));
}

async function startServer() {
  const server = spawn(PYTHON, [path.join(here, "server.py"), state], { stdio: ["ignore", "pipe", "inherit"] });
  closers.push(() => server.kill());
  let told = "";
  return new Promise((resolve, reject) => {
    server.once("exit", () => reject(new Error("the server did not start")));
    server.stdout.on("data", (text) => {
      told += text;
      if (!told.includes("\n")) return;
      const [address, files] = told.trim().split(" ");
      resolve({ server: address, files });
    });
  });
}

async function startHost() {
  const bundle = await esbuild.build({
    entryPoints: [path.join(here, "host.mjs")], bundle: true, format: "esm", write: false, platform: "browser",
    nodePaths: [path.join(NODE_TOOLS, "node_modules")], logLevel: "error",
  });
  const script = bundle.outputFiles[0].text;
  const host = await serve((request, response) => {
    if (request.url === "/host.js") return response.setHeader("content-type", "text/javascript").end(script);
    response.setHeader("content-type", "text/html").end('<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/host.js"></script>');
  });
  // The policy that the specification tells hosts to make of what a page declares.
  const sandbox = await serve((request, response) => {
    const csp = JSON.parse(new URL(request.url, "http://x").searchParams.get("csp")) ?? {};
    const from = (domains) => (domains?.length ? domains.join(" ") : "");
    response.setHeader("content-security-policy", [
      "default-src 'none'", `script-src 'self' 'unsafe-inline' ${from(csp.resourceDomains)}`,
      `style-src 'self' 'unsafe-inline' ${from(csp.resourceDomains)}`,
      `img-src 'self' data: ${from(csp.resourceDomains)}`, `media-src 'self' data: ${from(csp.resourceDomains)}`,
      `connect-src ${from(csp.connectDomains) || "'none'"}`, `frame-src 'self' ${from(csp.frameDomains)}`,
      `base-uri ${from(csp.baseUriDomains) || "'none'"}`, "object-src 'none'",
    ].join("; "));
    response.setHeader("content-type", "text/html").end(fs.readFileSync(path.join(here, "sandbox.html")));
  });
  return { host: `http://localhost:${host}/`, sandbox: `http://127.0.0.1:${sandbox}/sandbox.html` };
}

const places = { ...(await startServer()), ...(await startHost()) };
const browser = await puppeteer.launch({ executablePath: CHROMIUM, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
closers.push(() => browser.close());

const isKlings = (url) => new URL(url).hostname.endsWith(".klingai.com");

// What Kling's file hosts would deliver, from the simulator, as no request may leave this computer.
async function deliver(request) {
  const { pathname, search } = new URL(request.url()), { range } = request.headers();
  const answer = await fetch(new URL(pathname + search, places.files), { headers: range ? { range } : {} });
  await request.respond({ status: answer.status, headers: Object.fromEntries(answer.headers), body: Buffer.from(await answer.arrayBuffer()) });
}

// One page with the view in it, and short ways to look at the view.
async function open({ args = {}, scheme = "light", ...options } = {}) {
  const page = await browser.newPage();
  const trouble = [], requests = [];
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") trouble.push(message.text()); });
  page.on("request", (request) => requests.push(request.url()));
  await page.setRequestInterception(true);
  page.on("request", (request) => (isKlings(request.url()) ? deliver(request) : request.continue()));
  await page.setViewport({ width: (options.width ?? 760) + 16, height: (options.height ?? 640) + 16 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(places.host, { waitUntil: "load" });
  const opened = await page.evaluate((asked) => window.open(asked), { ...places, args, ...options });
  const frame = page.frames().find((one) => one.parentFrame()?.parentFrame());
  const view = {
    page, frame, trouble, requests, opened,
    seen: () => page.evaluate(() => window.seen),
    text: (selector) => frame.$eval(selector, (node) => node.textContent),
    shown: () => frame.$$eval("#grid li:not([hidden]) .name", (nodes) => nodes.map((node) => node.textContent)),
    count: () => frame.$$eval("#grid li:not([hidden])", (nodes) => nodes.length),
    focused: () => frame.evaluate(() => document.activeElement.querySelector?.(".name")?.textContent ?? document.activeElement.id),
    type: async (text) => { await frame.$eval("#words", (node, value) => { node.value = value; node.dispatchEvent(new Event("input")); }, text); },
    press: async (...keys) => { for (const key of keys) await page.keyboard.press(key); },
    shot: async (name) => { if (SHOTS) await page.screenshot({ path: path.join(SHOTS, name + ".png") }); },
    until: (test, ...values) => frame.waitForFunction(test, { timeout: 30_000 }, ...values),
    result: (result) => page.evaluate(async (one) => { await window.bridge.sendToolResult(one); await window.workedOff(); }, result),
    fits: () => view.until(() => document.body.getBoundingClientRect().height <= innerHeight).then(() => true, () => false), // measured after the next frame
  };
  return view;
}

const row = (id, more = {}) => ({
  element_id: String(id), element_name: "Element " + id, element_description: "about " + id, reference_type: "image_refer",
  tags: [], voice_id: "", voice_name: "", owned_by: "7", status: "ready", task_id: "9" + id, created_at: "", ...more,
});
const answer = (elements, more = {}) => ({
  content: [{ type: "text", text: "text" }],
  structuredContent: { elements, total: elements.length, next_cursor: "", duplicate_names: [], complete: true, notes: [], ...more },
});
const HOSTILE = '<img src=x onerror="top.hacked=1"><script>top.hacked=2</script>';

const stories = {
  ...resultStories({ open, check, same, HOSTILE }),
  ...castStories({ open, check, same, HOSTILE, sheets: path.join(state, "sheets") }),

  async "the library in front of the real server"() {
    const view = await open({ args: { status: "any", limit: 40 } });
    same("the tool names the page", view.opened.uri, "ui://kling-mcp/gallery.html");
    same("nothing may be loaded or connected to", view.opened.csp, { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] });
    const rows = view.opened.result.structuredContent.elements;
    same("every row is a card", await view.count(), rows.length);
    check("the total is stated", (await view.text("#status")).startsWith(`${rows.length} of ${view.opened.result.structuredContent.total} elements`), await view.text("#status"));
    await view.until(() => document.querySelectorAll("#grid img").length >= 6);
    const sources = await view.frame.$$eval("img", (nodes) => nodes.map((node) => node.src.slice(0, 23)));
    check("pictures are data: URIs alone", sources.every((source) => source === "data:image/jpeg;base64,"), sources);
    const { reads, sizes } = await view.seen();
    check("pictures in sight are read through the host", reads.length > 0 && reads.every((uri) => /^kling:\/\/elements\/\d+\/picture$/.test(uri)), reads);
    check("what is out of sight is not read", reads.length < rows.filter((one) => one.element_id).length, reads.length);
    check("the size is told", sizes.length > 0 && sizes.every(({ height }) => height <= 640), sizes);
    check("a hostile name is text", (await view.shown()).some((name) => name.startsWith("<img src=x onerror=")), await view.shown());
    check("nothing of it ran", await view.page.evaluate(() => window.hacked === undefined));
    await view.shot("light");
    while (await view.frame.$eval("#more", (node) => !node.hidden)) {
      const before = await view.count();
      await view.frame.$eval("#more", (node) => node.click());
      await view.until((count) => document.querySelectorAll("#grid li").length > count, before);
    }
    same("further pages are loaded to the end", await view.count(), view.opened.result.structuredContent.total);
    check("with the arguments of the first", (await view.seen()).calls.every((call) => call.name === "find_elements" && call.arguments.limit === 40 && call.arguments.cursor));
    const outside = view.requests.filter((url) => !url.startsWith("data:") && !Object.values(places).some((place) => url.startsWith(new URL(place).origin)));
    same("no request leaves this computer", outside, []);
    same("no error in the console", view.trouble, []);
  },

  async "two hundred elements, searched and filtered in the view"() {
    const view = await open();
    const elements = Array.from({ length: 200 }, (_, place) => row(1000 + place, {
      tags: [["Character", "Animal", "Item"][place % 3]], owned_by: place % 10 ? "7" : "kling", status: place % 50 === 49 ? "deleted" : "ready",
      ...(place % 4 ? {} : { voice_id: "70" + place, voice_name: "Alto " + place }),
    }));
    elements[5].element_name = "Ｍｉａ the fox";
    await view.result(answer(elements, { total: 620, notes: ["Only part of the library could be read."] }));
    same("all are there", await view.count(), 200);
    same("and how many there are in all", await view.text("#status"), "200 of 620 elements shown");
    same("notes are shown", await view.text("#notes"), "Only part of the library could be read.");
    await view.type("mia FOX");
    same("words in any width and case are found", await view.shown(), ["Ｍｉａ the fox"]);
    same("the count is told to a screen reader", await view.frame.$eval("[role=status]", (node) => [node.textContent, node.getAttribute("aria-live")]), ["1 of 620 elements shown", "polite"]);
    await view.type("1123");
    same("an id is found", await view.shown(), ["Element 1123"]);
    await view.type("nothing like it");
    same("nothing found is said", [await view.count(), (await view.text("#empty")).trim()], [0, "Nothing matches."]);
    await view.type("");
    await view.frame.select("#tag", "Animal");
    same("a tag filters", await view.count(), 67);
    await view.frame.select("#source", "kling");
    same("and whose they are", await view.count(), 7);
    await view.frame.select("#tag", "");
    await view.frame.select("#source", "");
    await view.frame.click("#voiced");
    same("and voices", await view.count(), 50);
    await view.frame.click("#voiced");
    await view.frame.select("#state", "deleted");
    same("and the status", await view.count(), 4);
    await view.frame.click("#grid li:not([hidden]) .card");
    same("a deleted one cannot be chosen", await view.text("#chosen"), "Nothing chosen");
    check("and it is said why", (await view.text("#status")).includes("Deleted"), await view.text("#status"));
    await view.frame.select("#state", "");
    same("no error in the console", view.trouble, []);
  },

  async "choosing with the keyboard and handing over"() {
    const view = await open();
    await view.result(answer(Array.from({ length: 30 }, (_, place) => row(2000 + place, { element_name: place === 1 ? 'Mia "the fox"' : "Element " + (2000 + place) }))));
    await view.frame.focus("#voiced");
    await view.press("Tab");
    same("Tab leads to the first card", await view.focused(), "Element 2000");
    same("one card is in the tab order", await view.frame.$$eval("#grid [tabindex='0']", (nodes) => nodes.length), 1);
    await view.press("ArrowRight", "Space", "End", "Enter");
    same("Space and Enter choose", await view.text("#chosen"), '2 chosen: Mia "the fox", Element 2029');
    same("the choice is a pressed button", await view.frame.$$eval("[aria-pressed=true] .name", (nodes) => nodes.map((node) => node.textContent)), ['Mia "the fox"', "Element 2029"]);
    await view.press("Home");
    const columns = await view.frame.$$eval("#grid li", (nodes) => nodes.filter((node) => node.offsetTop === nodes[0].offsetTop).length);
    await view.press("ArrowDown");
    same("ArrowDown moves a row", await view.focused(), "Element " + (2000 + columns));
    await view.press("ArrowUp", "ArrowLeft", "ArrowUp");
    same("and the border stops", await view.focused(), "Element 2000");
    await view.press("Space", "Space");
    check("a second press takes it back", !(await view.text("#chosen")).includes("Element 2000"));
    const tree = JSON.stringify(await view.page.accessibility.snapshot({ includeIframes: true, interestingOnly: true }));
    for (const [role, name] of [["searchbox", "Search by name, description, tag or id"], ["combobox", "Owner"], ["button", "Use in conversation"]])
      check(`a screen reader meets the ${role} ${name}`, new RegExp(`"role":"${role}"[^{}]*"name":"${name}"`).test(tree));
    check("and the chosen card as a pressed button with its description", /"name":"Mia \\"the fox\\"","description":"about 2001","pressed":true/.test(tree));
    await view.shot("chosen");
    await view.frame.focus("#use");
    await view.press("Enter");
    await view.until(() => document.getElementById("status").textContent === "Sent to the conversation.");
    same("ids and names reach the conversation", (await view.seen()).messages, [
      { role: "user", content: [{ type: "text", text: 'Use these Kling elements:\n- "Mia \\"the fox\\"", element_id 2001\n- "Element 2029", element_id 2029' }] },
    ]);
    await view.frame.click("#clear");
    same("Clear lets go", [await view.text("#chosen"), await view.frame.$eval("#use", (node) => node.disabled)], ["Nothing chosen", true]);
    same("no error in the console", view.trouble, []);
  },

  async "a client that takes no message, shows no link and reads nothing"() {
    const view = await open({ refuse: true, capabilities: {} });
    await view.result(answer([row(1, { voice_id: "77", voice_name: "Alto" })], { next_cursor: "more", total: 9 }));
    same("nothing is offered that it cannot do", await view.frame.evaluate(() => [document.getElementById("more").hidden, document.querySelector(".voice").tagName]), [true, "SPAN"]);
    await view.frame.click(".card");
    await view.frame.click("#use");
    await view.until(() => !document.getElementById("copy").hidden);
    same("the message can be copied instead", await view.frame.$eval("#copy", (node) => node.value), 'Use this Kling element:\n- "Element 1", element_id 1');
    same("nothing was read", (await view.seen()).reads, []);
  },

  async "hostile elements, straight from the host"() {
    const view = await open();
    const bidi = "\u202egpj.exe\u2066\u200b\x1b[31m";
    await view.result({
      ...answer([
        row(1, { element_name: HOSTILE, element_description: HOSTILE.repeat(1600), tags: [HOSTILE], voice_id: "5", voice_name: HOSTILE }),
        row(2, { element_name: bidi, element_description: "\u202e".repeat(100_000), tags: Array(5000).fill(bidi) }),
        row(3, { element_name: { toString: "x" }, element_description: ["<b>"], tags: "no list", voice_id: 5, status: "__proto__", owned_by: null }),
        row('"><svg onload=top.hacked=3>', { element_name: "constructor" }),
        null, 7, "text", [],
        row(2, { element_name: "the same id again" }),
      ], { total: "many", notes: [HOSTILE, 5], next_cursor: { a: 1 } }),
      _meta: { "io.github.kling-mcp/pictures": {
        1: "https://evil.example/x.jpg", 2: "data:image/svg+xml;base64,PHN2Zy8+", 3: 'data:image/jpeg;base64,AAAA" onerror="top.hacked=4', __proto__: { 1: "data:," },
        '"><svg onload=top.hacked=3>': "data:image/jpeg;base64," + "A".repeat(90_000),
      } },
    });
    same("each is one inert card", await view.count(), 4);
    same("with markup as text", (await view.shown())[0], HOSTILE.slice(0, 60));
    same("without markup from outside", await view.frame.evaluate(() => [document.querySelectorAll("#grid img, #grid script, #grid svg, #grid b, #notes img").length, document.scripts.length]), [0, 1]);
    const page = await view.frame.evaluate(() => document.body.innerText + [...document.querySelectorAll("[title], [aria-label]")].map((node) => node.title + node.ariaLabel).join());
    check("without direction, control or invisible characters", !/[\u202a-\u202e\u2066-\u2069\u200b\x1b]/.test(page));
    check("and short", page.length < 8000, page.length);
    await view.frame.click("#grid li:nth-child(2) .card");
    await view.frame.click("#use");
    await view.until(() => document.getElementById("status").textContent.startsWith("Sent"));
    same("the message is clean, too", (await view.seen()).messages[0].content[0].text, 'Use this Kling element:\n- "gpj.exe [31m", element_id 2');
    check("nothing ran", await view.page.evaluate(() => window.hacked === undefined));
    await view.shot("hostile");
    const blocked = await view.frame.evaluate(async () => {
      const fetched = await fetch("https://evil.example/").then(() => "open", () => "blocked");
      const image = await new Promise((resolve) => Object.assign(new Image(), { onload: () => resolve("open"), onerror: () => resolve("blocked"), src: "https://evil.example/x.png" }));
      return [fetched, image];
    });
    same("the page could not connect if it wanted to", blocked, ["blocked", "blocked"]);
    await view.result({ isError: true, content: [{ type: "text", text: "No Kling credentials are set.\nkind=missing_credentials" }] });
    check("an error is told", (await view.text("#status")).startsWith("No Kling credentials are set."));
  },

  async "a voice is heard on request"() {
    const view = await open({ args: { query: "Mia", limit: 5 } });
    const voiced = view.opened.result.structuredContent.elements.find((one) => one.voice_id);
    if (!voiced) return check("some element has a voice", false, view.opened.result.structuredContent.elements);
    await view.frame.$eval("button.voice", (node) => node.click());
    await view.until(() => document.getElementById("status").textContent.includes("is opening in the browser"));
    same("its trial link goes to the host", (await view.seen()).links, [`https://voices.example.com/${voiced.voice_id}.mp3`]);
  },

  async "light and dark"() {
    const colours = (view) => view.frame.evaluate(() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]);
    const light = await open({ scheme: "dark", context: { theme: "light" } });
    same("the host's theme wins over the system's", await colours(light), ["rgb(24, 24, 27)", "rgb(255, 255, 255)"]);
    await light.page.evaluate(() => window.bridge.setHostContext({ theme: "dark" }));
    await light.until(() => document.documentElement.style.colorScheme === "dark");
    same("and may change", await colours(light), ["rgb(244, 244, 245)", "rgb(28, 28, 30)"]);
    const system = await open({ scheme: "dark", args: { limit: 40, status: "any" } });
    same("without it the system's counts", await colours(system), ["rgb(244, 244, 245)", "rgb(28, 28, 30)"]);
    await system.until(() => document.querySelectorAll("#grid img").length >= 8);
    await system.frame.click("#grid li:nth-child(7) .card");
    await system.shot("dark");
    const styled = await open({ context: { theme: "light", styles: { variables: { "--color-text-primary": "rgb(1, 2, 3)", "--color-background-primary": "url(https://evil.example/)" } } } });
    same("the host's colours are taken, links in them are not", await colours(styled), ["rgb(1, 2, 3)", "rgb(255, 255, 255)"]);
    const narrow = await open({ width: 340, height: 560, args: { limit: 20, status: "any" } });
    check("a narrow frame needs no sideways scrolling", await narrow.frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    check("and all of the page fits into it", await narrow.fits());
    await narrow.until(() => document.querySelectorAll("#grid img").length >= 2);
    await narrow.shot("narrow");
  },

  async "the end"() {
    const view = await open();
    same("an unknown request is refused", await view.page.evaluate(() => new Promise((resolve) => {
      addEventListener("message", ({ data }) => { if (data.id === "odd") resolve(data.error?.code); });
      window.frame.contentWindow.postMessage({ jsonrpc: "2.0", id: "odd", method: "ui/odd" }, "*");
    })), -32601);
    same("teardown is acknowledged", await view.page.evaluate(() => window.bridge.teardownResource({})), {});
    const before = (await view.seen()).sizes.length;
    await view.page.evaluate((one) => window.bridge.sendToolResult(one), answer([row(1), row(2)]));
    await view.until(() => document.querySelectorAll("#grid li").length === 2);
    same("and nothing is sent after it", (await view.seen()).sizes.length, before);
  },
};

try {
  for (const [name, story] of Object.entries(stories)) {
    if (ONLY && !name.includes(ONLY)) continue;
    console.log("--", name);
    try {
      await story();
    } catch (error) {
      check(name, false, String(error.stack ?? error));
    }
    for (const page of (await browser.pages()).slice(1)) await page.close();
  }
} finally {
  for (const close of closers.reverse()) await close();
}
console.log(failures ? `${failures} checks failed` : "all checks passed");
process.exit(failures ? 1 : 0);
