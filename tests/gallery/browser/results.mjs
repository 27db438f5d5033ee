// What run.mjs checks of the page of videos and pictures.

const DAY = 86400000;
const KEY = "io.github.kling-mcp/results";
const RESULTS = "ui://kling-mcp/results.html";

const after = (days) => new Date(Date.now() + days * DAY).toISOString().replace(/\.\d+/, "");
const file = (name, more = {}) => ({ path: "", url: `https://v21.klingai.com/${name}`, expires_at: after(20), mime_type: "image/png", seconds: 0, bytes: 0, ...more });
const past = (id, more = {}) => ({
  kind: "image", task_id: String(id), external_task_id: "", status: "ready", task_status_msg: "", prompt: "Prompt " + id, model: "kling-v3-omni",
  elements: [], take: 1, created_at: after(-1), units: "0.2", files: [], ...more,
});
const found = (generations, more = {}, meta = {}) => ({
  content: [{ type: "text", text: "text" }],
  structuredContent: { generations, total: generations.length, next_cursor: "", complete: true, notes: [], ...more },
  _meta: { [KEY]: { requests: {}, pictures: {}, saves: true, ...meta } },
});
const PIXEL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=";

export const resultStories = ({ open, check, same, HOSTILE }) => ({
  async "pictures that were made just now"() {
    const view = await open({ tool: "generate_image", args: { prompt: "@Mia as an astronaut", count: 4, wait_seconds: 60 } });
    same("the tool names the page", view.opened.uri, RESULTS);
    same("pictures and clips come from Kling alone", view.opened.csp, {
      connectDomains: [], resourceDomains: ["https://klingai.com", "https://*.klingai.com", "https://kechuangai.com", "https://*.kechuangai.com"], frameDomains: [], baseUriDomains: [],
    });
    const { files, task_id: task } = view.opened.result.structuredContent;
    await view.until(() => [...document.images].filter((image) => image.naturalWidth >= 300).length === 4);
    same("the four pictures are in a grid", await view.frame.$$eval("[role=radiogroup] [role=radio] img", (nodes) => nodes.map((node) => node.src)), files.map(({ url }) => url));
    const text = await view.text("#cards");
    for (const words of ["@Mia as an astronaut", "With Mia", "4 pictures", "paid", "Link until", files[0].path]) check(`it shows ${words}`, text.includes(words), text);
    await view.shot("results-pictures");
    await view.frame.focus("[role=radio][tabindex='0']");
    await view.press("ArrowRight", "End");
    same("arrow keys choose", await view.frame.$$eval("[aria-checked=true]", (nodes) => nodes.map((node) => node.ariaLabel)), ["Picture 4 of 4"]);
    same("the path is that of the chosen picture", await view.text(".path"), files[3].path);
    await view.press("Tab");
    same("Tab leads to the buttons", await view.frame.evaluate(() => document.activeElement.textContent), "Use in conversation");
    await view.press("Enter", "Tab", "Enter", "Tab", "Enter");
    await view.page.waitForFunction(() => window.seen.messages.length === 3);
    const messages = (await view.seen()).messages.map(({ content }) => content[0].text);
    same("three messages go to the conversation", messages, [
      `Use this Kling picture:\n- task_id ${task}, result 4 of 4, path ${JSON.stringify(files[3].path)}`,
      `Make a Kling video that begins with this picture (first_frame of generate_video): path ${JSON.stringify(files[3].path)}\nAsk me what happens in it, and tell me the price before anything is paid.`,
      `Make another take of this Kling picture: call generate_image with the same arguments and inputs as for task_id ${task}, and take 2.\nTell me the price before anything is paid.`,
    ]);
    same("no tool was called by the page", (await view.seen()).calls, []);
    const tree = JSON.stringify(await view.page.accessibility.snapshot({ includeIframes: true, interestingOnly: true }));
    for (const [role, name] of [["radio", "Picture 2 of 4"], ["button", "Another take, Picture: @Mia as an astronaut"]])
      check(`a screen reader meets the ${role} ${name}`, new RegExp(`"role":"${role}"[^{}]*"name":"${name}"`).test(tree), tree);
    same("no error in the console", view.trouble, []);
  },

  async "a clip that is still being made"() {
    const view = await open({ tool: "generate_video", scheme: "dark", args: { prompt: "@Rex runs along the harbour at dusk", aspect_ratio: "9:16", audio: "native", wait_seconds: 0 } });
    same("it is not ready", await view.text("#status"), "Not ready yet");
    for (const words of ["@Rex runs along", "With Rex", "5 s", "9:16", "with sound", "Kling is making the video…"]) check(`it shows ${words}`, (await view.text("#cards")).includes(words), await view.text("#cards"));
    check("and what it will cost", /About [\d.]+ units \(estimated\)/.test(await view.text("#cards")), await view.text("#cards"));
    same("nothing can be used yet", await view.frame.$$eval(".acts button", (nodes) => nodes.length), 0);
    await view.shot("results-pending");
    for (let turn = 0; turn < 4 && !(await view.frame.$("video")); turn += 1) {
      await view.frame.focus("#check");
      await view.press("Enter");
      await view.until(() => document.getElementById("room").ariaBusy === "false");
    }
    same("the button is gone, and the keyboard goes on with the result", await view.frame.evaluate(() => document.activeElement.textContent), "Use in conversation");
    const [{ name, arguments: asked }] = (await view.seen()).calls;
    same("the page waits through the host", [name, asked.ids], ["wait_for_tasks", [view.opened.result.structuredContent.task_id]]);
    await view.until(() => document.querySelector("video")?.readyState >= 1);
    const player = await view.frame.$eval("video", (node) => [node.controls, node.preload, node.paused, node.videoHeight > node.videoWidth, new URL(node.src).hostname]);
    same("the clip is in a player", player, [true, "metadata", true, true, "v21.klingai.com"]);
    await view.frame.$eval("video", (node) => { node.muted = true; return node.play(); });
    await view.until(() => document.querySelector("video").currentTime > 0.2);
    const text = await view.text("#cards");
    for (const words of ["@Rex runs along", "With Rex", "9:16", "paid", ".mp4"]) check(`it still shows ${words}`, text.includes(words), text);
    check("it cannot be asked again", await view.frame.$eval("#check", (node) => node.hidden));
    same("a clip is no first frame", await view.frame.$$eval(".acts button", (nodes) => nodes.map((node) => node.textContent)), ["Use in conversation", "Another take", "Open"]);
    await view.frame.$$eval(".acts button", (nodes) => nodes.at(-1).click());
    await view.until(() => document.getElementById("status").textContent.includes("opening"));
    same("the link is opened by the host", (await view.seen()).links, [await view.frame.$eval("video", (node) => node.src)]);
    await view.shot("results-clip-dark");
    same("no error in the console", view.trouble, []);
  },

  async "a price that was asked for"() {
    const view = await open({ tool: "generate_video", args: { prompt: "@Rex sleeps", duration: 10, dry_run: true } });
    same("it is only a price", await view.text("#status"), "Price only: nothing was sent");
    for (const words of ["@Rex sleeps", "10 s", "units (estimated)"]) check(`it shows ${words}`, (await view.text("#cards")).includes(words), await view.text("#cards"));
    same("there is nothing to look at, and nothing to use", await view.frame.$$eval(".media, .acts button, #check:not([hidden])", (nodes) => nodes.length), 0);
  },

  async "everything that was made"() {
    const view = await open({ tool: "find_generations", args: { limit: 1 } });
    const { total } = view.opened.result.structuredContent;
    same("the count is told", await view.text("#status"), `1 of ${total} shown`);
    while (await view.frame.$eval("#more", (node) => !node.hidden)) {
      const before = await view.frame.$$eval(".card", (nodes) => nodes.length);
      await view.frame.click("#more");
      await view.until((count) => document.querySelectorAll(".card").length > count, before);
    }
    same("and further pages come", await view.frame.$$eval(".card", (nodes) => nodes.length), total);
    const all = await view.text("#cards");
    for (const words of ["@Rex runs along", "With Mia", "9:16", "4 pictures", "Another take"]) check(`they show ${words}`, all.includes(words), all);
    const tasks = await open({ tool: "wait_for_tasks", args: { ids: [view.opened.result.structuredContent.generations[0].task_id], wait_seconds: 0 } });
    same("a wait shows the same page", [tasks.opened.uri, await tasks.text("#status")], [RESULTS, "Ready"]);
    for (const words of ["@Rex runs along", "With Rex", "9:16", "with sound", "4 units paid"]) check(`with ${words}`, (await tasks.text("#cards")).includes(words), await tasks.text("#cards"));
    same("no error in the console", [...view.trouble, ...tasks.trouble], []);
  },

  async "links that ended, links that fail, and links elsewhere"() {
    const view = await open({ tool: "find_generations", args: { query: "no such words" } });
    check("nothing found is said", await view.frame.$eval("#empty", (node) => !node.hidden));
    await view.result(found([
      past(1, { kind: "video", files: [file("1.mp4", { expires_at: after(-2), path: "/films/boat.mp4", mime_type: "video/mp4" })] }),
      past(2, { kind: "video", files: [file("2.mp4", { expires_at: after(-2), mime_type: "video/mp4" })] }),
      past(3, { kind: "video", files: [file("files/9/0.mp4", { path: "/films/gone.mp4", mime_type: "video/mp4" })] }),
      past(4, { files: [file("4.png", { expires_at: after(-2), path: "/films/small.png" })] }),
      past(5, { files: [file("files/9/0.png")] }),
      past(6, { files: [{ ...file(""), url: "https://klingai.com.evil.example/x.png" }] }),
      past(7, { files: [{ ...file(""), url: "http://v21.klingai.com/x.png" }] }),
      past(8, { files: [file("soon.png", { expires_at: after(1.5) })] }),
      past(9), past(10, { status: "failed", task_status_msg: "The content was refused." }),
    ], {}, { pictures: { "/films/small.png": PIXEL } }));
    const cardOf = (id) => view.frame.evaluate((words) => [...document.querySelectorAll(".card")].find((card) => card.querySelector(".prompt").textContent === words).innerText, "Prompt " + id);
    // Pictures load when they are seen: card after card is shown, some frames each, for as long as it takes.
    await view.until(() => {
      const cards = [...document.querySelectorAll(".card")];
      window.frames_shown = (window.frames_shown ?? 0) + 1;
      cards[Math.floor(window.frames_shown / 6) % cards.length].scrollIntoView();
      return document.querySelectorAll(".blank").length === 9;
    });
    const shows = async (id, ...words) => { const text = await cardOf(id); check(`${words.join(", ")}`, words.every((one) => text.includes(one)), text); };
    await shows(1, "The link has ended: it is on the disk.", "/films/boat.mp4", "The link ended on");
    await shows(2, "The link has ended, and no file is on the disk.", "No file is on the disk.");
    await shows(3, "The clip cannot be loaded here: it is on the disk.", "/films/gone.mp4");
    await shows(4, "The link ended on", "/films/small.png");
    same("an ended picture is shown small", await view.frame.$$eval("img", (nodes) => nodes.map((node) => node.src.slice(0, 22))), ["data:image/jpeg;base64"]);
    await shows(5, "The picture cannot be loaded here.", "Not saved on the disk.", "Save");
    await shows(6, "Its link does not lead to Kling");
    await shows(7, "Its link does not lead to Kling");
    await shows(8, "Not saved on the disk.");
    await shows(9, "Kling shows no link any more");
    await shows(10, "Failed: The content was refused.");
    same("what is lost can be used no more", await view.frame.$$eval(".card:nth-child(2) button, .card:nth-child(6) button, .card:nth-child(7) button, .card:nth-child(9) button", (nodes) => nodes.length), 0);
    const outside = view.requests.filter((url) => /evil|^http:\/\/v21/.test(url));
    same("no link elsewhere was opened", outside, []);
    await view.frame.evaluate(() => new Promise((resolve) => { document.getElementById("room").scrollTo(0, 0); setTimeout(resolve, 300); }));
    await view.shot("results-ended");
  },

  async "another take of what another chat made"() {
    const view = await open({ tool: "find_generations", refuse: true });
    const request = { prompt: "@Mia waves", model: "3.0-omni", elements: ["Mia"], settings: { duration: "5", aspect_ratio: "9:16" }, take: 1 };
    const clip = (id, take) => past(id, { kind: "video", take, elements: ["Mia"], prompt: "@Mia wav…", files: [file(id + ".mp4", { mime_type: "video/mp4", path: `/films/${id}.mp4` })] });
    await view.result(found([clip(31, 2), clip(30, 1), past(32, { prompt: "", model: "", files: [file("32.png")] })], {}, { requests: { 30: request, 31: { ...request, take: 2 } } }));
    same("what other programs made has no request to repeat", await view.frame.$$eval(".card:nth-child(3) button", (nodes) => nodes.map((node) => node.textContent).includes("Another take")), false);
    await view.frame.$$eval(".card:nth-child(2) button", (nodes) => nodes.find((node) => node.textContent === "Another take").click());
    await view.until(() => !document.getElementById("copy").hidden);
    same("its arguments go along, with a take that is free, to be copied if need be", await view.frame.$eval("#copy", (node) => node.value),
      'Make another take of this Kling video: call generate_video with the same arguments and inputs as for task_id 30, and take 3.\nWhat is known of its arguments: ' +
      '{"prompt":"@Mia waves","model":"3.0-omni","elements":["Mia"],"duration":"5","aspect_ratio":"9:16"}\nTell me the price before anything is paid.');
  },

  async "elements and voices among the tasks"() {
    const view = await open({ tool: "wait_for_tasks", args: { ids: [], wait_seconds: 0 } });
    const task = (more) => ({ task_id: "1", external_task_id: "", task_status: "succeed", task_status_msg: "", elements: [], element_ids: [], voice_id: "", files: [], prompt: "", units_estimated: "", units_deducted: "", ...more });
    await view.result({ content: [], structuredContent: { pending: 1, next_step: "", tasks: [
      task({ kind: "element", elements: [{ element_name: "Mia" }], element_ids: ["77"] }), task({ kind: "voice", task_id: "2", voice_id: "88" }),
      task({ kind: "element", task_id: "3", task_status: "processing" }),
    ] } });
    same("each has a line", await view.frame.$$eval("#others li", (nodes) => nodes.map((node) => node.textContent)), ["element Mia · Ready · 77", "voice · Ready · 88", "element · Not ready yet · task 3"]);
    same("and the count is told", await view.text("#status"), "3 tasks; 1 not ready yet");
  },

  async "hostile generations, straight from the host"() {
    const view = await open({ tool: "find_generations" });
    const bidi = "\u202egpj.exe\u2066\u200b\x1b[31m";
    await view.result(found([
      past(1, { prompt: HOSTILE.repeat(500), elements: [HOSTILE, bidi], model: HOSTILE, units: HOSTILE, files: [file("1.png", { path: HOSTILE, expires_at: HOSTILE })] }),
      past(2, { prompt: bidi, task_status_msg: bidi, status: "constructor", files: "no list", created_at: { a: 1 } }),
      past('"><svg onload=top.hacked=3>', { kind: "video", take: "__proto__", files: [{ url: "javascript:top.hacked=4" }, { url: "data:text/html,x" }, { url: { toString: "x" } }, null] }),
      { kind: "__proto__" }, null, 7, [], past(1, { prompt: "the same id again" }),
    ], { total: "many", notes: [HOSTILE, 5], next_cursor: { a: 1 } }, {
      requests: { 1: { prompt: HOSTILE, settings: HOSTILE, elements: "none", take: -5 }, __proto__: { prompt: "x" } },
      pictures: { [HOSTILE]: "https://evil.example/x.jpg" },
    }));
    same("each is one card", await view.frame.$$eval(".card", (nodes) => nodes.length), 3);
    same("without markup from outside", await view.frame.evaluate(() => [document.querySelectorAll("#cards script, #cards svg, #cards b, #notes img, #cards img[src='x']").length, document.scripts.length]), [0, 1]);
    const page = await view.frame.evaluate(() => document.body.innerText + [...document.querySelectorAll("[aria-label]")].map((node) => node.ariaLabel).join());
    check("without direction, control or invisible characters", !/[\u202a-\u202e\u2066-\u2069\u200b\x1b]/.test(page));
    check("nothing ran", await view.page.evaluate(() => window.hacked === undefined));
    const blocked = await view.frame.evaluate(async () => {
      const fetched = await fetch("https://v21.klingai.com/").then(() => "open", () => "blocked");
      const load = (node) => new Promise((resolve) => Object.assign(node, { onload: () => resolve("open"), onloadedmetadata: () => resolve("open"), onerror: () => resolve("blocked"), src: "https://evil.example/x" }));
      const script = new Promise((resolve) => document.body.append(Object.assign(document.createElement("script"), { onload: () => resolve("open"), onerror: () => resolve("blocked"), src: "https://v21.klingai.com/x.js" })));
      return [fetched, await load(new Image()), await load(document.createElement("video")), await script];
    });
    same("the page could not connect if it wanted to", blocked, ["blocked", "blocked", "blocked", "blocked"]);
    await view.result({ isError: true, content: [{ type: "text", text: "The price is above max_units.\nkind=over_budget" }] });
    check("an error is told", (await view.text("#status")).startsWith("The price is above max_units."));
  },

  async "results in a narrow frame, light and dark"() {
    const colours = (view) => view.frame.evaluate(() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]);
    const narrow = await open({ tool: "find_generations", width: 340, height: 560, context: { theme: "light" }, scheme: "dark" });
    same("the host's theme wins over the system's", await colours(narrow), ["rgb(24, 24, 27)", "rgb(255, 255, 255)"]);
    check("a narrow frame needs no sideways scrolling", await narrow.frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    check("and all of the page fits into it", await narrow.fits());
    await narrow.shot("results-narrow");
    await narrow.page.evaluate(() => window.bridge.setHostContext({ theme: "dark" }));
    await narrow.until(() => document.documentElement.style.colorScheme === "dark");
    same("and may change", await colours(narrow), ["rgb(244, 244, 245)", "rgb(28, 28, 30)"]);
    const wide = await open({ tool: "find_generations", scheme: "dark" });
    await wide.until(() => [...document.images].some((image) => image.naturalWidth > 0));
    await wide.shot("results-dark");
    const bare = await open({ tool: "find_generations", capabilities: {} });
    await bare.result(found([past(1, { status: "pending" }), past(2, { files: [file("2.png")] })], { next_cursor: "more", total: 9 }));
    same("nothing is offered that the client cannot do", await bare.frame.$$eval("button:not([hidden])", (nodes) => nodes.map((node) => node.textContent).filter((text) => /Open|Save|Check|more/.test(text))), []);
    check("and it is said what to do", (await bare.text("#status")).includes("Ask the assistant"));
  },
});
