// What run.mjs checks of the page of a production.
import fs from "node:fs";
import path from "node:path";

const KEY = "io.github.kling-mcp/cast";
const CAST = "ui://kling-mcp/cast.html";
const PIXEL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=";

const made = (number, description, more = {}) => ({ description, front: `${number}.jpg`, others: [`${(number % 6) + 1}.jpg`], ...more });
const planOf = (more = {}, meta = {}) => ({
  content: [{ type: "text", text: "text" }],
  structuredContent: {
    plan_id: "p1", path: "/films/episode.yaml", create: [], adopt: [], replace: [], unchanged: [], missing: [], orphan: [], problems: [],
    shots: { render: [], unchanged: [], blocked: [] }, units: {}, price: "nothing is paid", notes: [], next_step: "", ...more,
  },
  _meta: { [KEY]: { path: "/films/episode.yaml", part: "all", require: [], cast: [], shots: [], pictures: {}, ...meta } },
});

export const castStories = ({ open, check, same, HOSTILE, sheets }) => {
  const write = (name, sheet) => {
    const file = path.join(sheets, name);
    fs.writeFileSync(file, JSON.stringify({ version: 1, ...sheet }, null, 2));
    return file;
  };
  const cards = (view) => view.frame.$$eval("#grid li", (nodes) => nodes.map((node) => [node.querySelector(".name").textContent, node.querySelector(".state").textContent]));
  const lines = (view) => view.frame.$$eval("#shots li", (nodes) => nodes.map((node) => [node.querySelector(".name").textContent.split(":")[0], node.querySelector(".state").textContent]));
  const shows = async (view, name, ...words) => {
    const text = await view.frame.$$eval("#grid li, #shots li", (nodes, start) => nodes.find((node) => node.querySelector(".name").textContent.startsWith(start))?.textContent ?? "", name);
    for (const one of words) check(`${name} shows ${one}`, text.includes(one), text);
  };
  const buttons = (view) => view.frame.$$eval("button", (nodes) => nodes.filter((node) => node.checkVisibility()).map((node) => node.textContent));

  return {
    async "a cast with its gaps"() {
      const cast = {
        Mia: {}, Rex: {}, Kira: made(1, "Pilot with red hair"), Bo: made(2, "Old sailor, grey beard", { voice: "Warm alto" }), Tower: { description: "Lighthouse in fog" },
        "白鹿": {}, Zed: "999888777666555444", Ana: made(3, "Baker, white apron"),
      };
      const file = write("gaps.json", { cast, shots: {
        s01: { prompt: "@Mia and @Kira look out over the harbour", duration: 8 }, s02: { prompt: "@Rex runs along the beach", takes: 2 },
        s03: { prompt: "@Tower at night" }, s04: { prompt: "@Nobody waves" },
      } });
      const view = await open({ tool: "plan_production", args: { path: file, require: ["Dragon"] } });
      same("the tool names the page", view.opened.uri, CAST);
      same("nothing may be loaded or connected to", view.opened.csp, { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] });
      same("each entry is a card, in the order of the sheet", await cards(view), [
        ["Mia", "Ready to adopt"], ["Rex", "Ready to adopt"], ["Kira", "To create"], ["Bo", "To create"], ["Tower", "Missing"], ["白鹿", "Ready to adopt"], ["Zed", "Problem"], ["Ana", "To create"],
        ["Dragon", "Missing"], ["Nobody", "Missing"],
      ]);
      same("the gaps are counted", await view.text("#castcount"), "3 of 10 ready, 3 to create, 3 missing, 1 with a problem");
      same("and the shots", await view.text("#shotcount"), "0 of 5 rendered, 1 waiting, 2 to render, 2 that cannot be made");
      same("gaps have no ground of their own", await view.frame.$$eval("#grid .hole", (nodes) => nodes.map((node) => [node.querySelector(".name").textContent, getComputedStyle(node).borderTopStyle])), ["Kira", "Bo", "Tower", "Ana", "Dragon", "Nobody"].map((name) => [name, "dashed"]));
      await shows(view, "Kira", "From 2 pictures", "Pilot with red hair", "no element has this name");
      await shows(view, "Bo", "From 2 pictures, voice Warm alto");
      await shows(view, "Tower", "Needs a picture from the front with 1 to 3 others, or a clip.", "Lighthouse in fog", "of the sheet");
      await shows(view, "Nobody", "Needs an entry in the sheet", "shot s04 names it");
      await shows(view, "Zed", "line ", "must be an element that is ready", "Fix:");
      await shows(view, "s01", "@Mia and @Kira look out", "Waits", "after Kira is made", "units");
      await shows(view, "s03", "Cannot be made", "there is no element for Tower");
      same("takes have their number", (await lines(view)).map(([name]) => name), ["s01", "s02", "s02, take 2", "s03", "s04"]);
      check("the whole price is shown", /^Price: [\d.]+( to [\d.]+)? video units .* videos/.test(await view.text("#price")), await view.text("#price"));
      await view.until(() => [...document.querySelectorAll("#grid li")].filter((node) => node.querySelector("img")?.naturalWidth > 0).length >= 6);
      const faces = await view.frame.$$eval("#grid img", (nodes) => nodes.map((node) => node.src.slice(0, 23)));
      check("faces are data: URIs alone", faces.every((source) => source === "data:image/jpeg;base64,"), faces);
      await view.shot("cast-gaps");
      await view.frame.$eval(".wide", (node) => node.scrollIntoView());
      await view.shot("cast-problem");
      const tree = JSON.stringify(await view.page.accessibility.snapshot({ includeIframes: true, interestingOnly: false }));
      for (const [role, name] of [["list", "Cast"], ["list", "Shots"], ["button", "Apply the plan"], ["button", "Add what is missing"]])
        check(`a screen reader meets the ${role} ${name}`, new RegExp(`"role":"${role}"[^{}]*"name":"${name}"`).test(tree));
      await view.frame.focus("#fill");
      await view.press("Enter", "Tab", "Enter");
      await view.page.waitForFunction(() => window.seen.messages.length === 2);
      const [fill, apply] = (await view.seen()).messages.map(({ content }) => content[0].text);
      const { plan_id: id, price } = view.opened.result.structuredContent;
      same("what is missing goes into the conversation", fill, [
        `Complete the Kling production plan of the sheet ${JSON.stringify(fs.realpathSync(file))}:`,
        '- add to the cast: "Tower", "Dragon", "Nobody". Each needs a description, and a picture from the front with one to three others, or a clip; or the element_id of an element that exists.',
        '- correct in the cast: "Zed"', '- correct in the shots, or what they wait for: "s03", "s04"',
        "Ask me for what you need, change the sheet, and call plan_production again. Make nothing yet.",
      ].join("\n"));
      same("and the plan, with its price", apply, `Apply the Kling production plan of the sheet ${JSON.stringify(fs.realpathSync(file))}: call apply_production with plan_id "${id}". ` +
        `It is to make 3 elements, adopt 3 elements, render 3 videos.\nThe page shows as its price: ${price}. Tell me the price before anything is paid.`);
      same("no tool was called by the page", (await view.seen()).calls, []);
      same("no error in the console", view.trouble, []);
    },

    async "a production from nothing to a replaced picture"() {
      const sheet = { cast: { Ivo: made(4, "Painter, blue coat"), Una: made(5, "Violinist") }, shots: { a1: { prompt: "@Ivo paints @Una" }, a2: { prompt: "An empty stage" } } };
      const file = write("painter.json", sheet);
      const first = await open({ tool: "plan_production", args: { path: file } });
      const plan = first.opened.result.structuredContent.plan_id;
      const run = await open({ tool: "apply_production", args: { plan_id: plan, wait_seconds: 120 } });
      same("what was made is on the same page", [run.opened.uri, await cards(run), await lines(run)], [CAST, [["Ivo", "Ready"], ["Una", "Ready"]], [["a1", "Rendered"], ["a2", "Rendered"]]]);
      same("with its counts", [await run.text("#castcount"), await run.text("#shotcount"), await run.text("#status")], ["2 of 2 ready", "2 of 2 rendered", "painter.json: everything is done"]);
      await shows(run, "a1", "units paid", "a1.mp4");
      same("and there is nothing left to ask for", await buttons(run), ["Look again"]);
      await run.shot("cast-applied");
      write("painter.json", { ...sheet, cast: { Ivo: made(6, "Painter, blue coat") }, shots: { a1: { prompt: "@Ivo paints" }, a2: sheet.shots.a2 } });
      await run.frame.click("#again");
      await run.until(() => document.querySelectorAll("#grid .state")[0]?.textContent === "To replace");
      await run.until(() => document.activeElement.id === "again");
      same("the page looks again by a plan alone", (await run.seen()).calls, [{ name: "plan_production", arguments: { path: fs.realpathSync(file), part: "all", require: [] } }]);
      same("what is replaced and what is over is seen", await cards(run), [["Ivo", "To replace"], ["Una", "No longer in the sheet"]]);
      await shows(run, "Ivo", "New: ", "front");
      await run.until(() => [...document.querySelectorAll(".both img")].filter((image) => image.naturalWidth > 0).length === 2);
      same("the count leaves out what is over", await run.text("#castcount"), "0 of 1 ready, 1 to replace");
      same("one shot is new, one is as it was", await lines(run), [["a1", "Waits"], ["a2", "Rendered"]]);
      check("the replaced element is kept, and it is said", (await run.text("#notes")).includes("the replaced element is kept"), await run.text("#notes"));
      await run.shot("cast-replace");
      write("painter.json", { cast: { Ivo: { front: "6.jpg" } }, shots: { a1: { prompt: "x", duration: 99 } } });
      await run.frame.click("#again");
      await run.until(() => document.querySelectorAll("#notes li").length >= 2 && /duration/.test(document.getElementById("notes").textContent));
      check("problems of the sheet come with line and fix", /line \d+, .*Fix/.test(await run.text("#notes")), await run.text("#notes"));
      same("and the old plan is gone", [await cards(run), await buttons(run)], [[], ["Look again", "Correct the sheet"]]);
      await run.frame.click("#fill");
      await run.page.waitForFunction(() => window.seen.messages.length === 1);
      same("to correct it is asked for in words", (await run.seen()).messages[0].content[0].text, `Correct the Kling production sheet ${JSON.stringify(fs.realpathSync(file))}: call plan_production with it, and ask me for what its problems need. Make nothing yet.`);
      await run.shot("cast-refused");
      same("no error in the console", [...first.trouble, ...run.trouble], []);
    },

    async "a plan that is being carried out"() {
      const file = write("slow.json", { cast: { Lea: made(1, "Diver") }, shots: { b1: { prompt: "@Lea dives" } } });
      const first = await open({ tool: "plan_production", args: { path: file } });
      const run = await open({ tool: "apply_production", scheme: "dark", args: { plan_id: first.opened.result.structuredContent.plan_id, wait_seconds: 0 } });
      same("what is being made and what waits is seen", [await cards(run), await lines(run)], [[["Lea", "Being made"]], [["b1", "Not started"]]]);
      same("and how much is left", await run.text("#status"), "slow.json: 2 not made yet");
      await run.shot("cast-running-dark");
      await run.frame.click("#apply");
      await run.page.waitForFunction(() => window.seen.messages.length === 1);
      same("going on is asked for in words", (await run.seen()).messages[0].content[0].text, `Go on with the Kling production plan of the sheet ${JSON.stringify(fs.realpathSync(file))}: call apply_production with plan_id "${run.opened.result.structuredContent.plan_id}" again.`);
      await run.result({ isError: true, content: [{ type: "text", text: "The plan no longer fits:\n- Lea is new\nNothing was sent.\nkind=stale_plan created=no retry=never" }] });
      await run.until(() => !document.getElementById("notes").hidden);
      same("a plan that does not fit offers nothing", await buttons(run), ["Look again", "Correct the sheet"]);
      same("a refusal is told line by line", [await run.text("#status"), await run.frame.$$eval("#notes li", (nodes) => nodes.map((node) => node.textContent))], ["The plan no longer fits:", ["Lea is new", "Nothing was sent."]]);
    },

    async "a production that leaves something out"() {
      const file = write("left.json", { cast: { Ole: made(2, "Fisher"), Tor: {} }, shots: { d1: { prompt: "@Ole rows" }, d2: { prompt: "@Ole and @Nobody" }, d3: { prompt: "@Tor rows" } } });
      const first = await open({ tool: "plan_production", args: { path: file } });
      const run = await open({ tool: "apply_production", args: { plan_id: first.opened.result.structuredContent.plan_id, wait_seconds: 120 } });
      same("what was left out is still a gap", [await cards(run), await lines(run)], [
        [["Ole", "Ready"], ["Tor", "Missing"], ["Nobody", "Missing"]], [["d1", "Rendered"], ["d2", "Cannot be made"], ["d3", "Cannot be made"]],
      ]);
      await shows(run, "Nobody", "Needs an entry in the sheet", "shot d2 names it");
      same("which going on does not fill", await buttons(run), ["Look again", "Add what is missing"]);
      same("no error in the console", run.trouble, []);
    },

    async "hostile sheets, straight from the host"() {
      const view = await open({ tool: "plan_production", refuse: true, args: { path: write("empty.json", { shots: { c1: { prompt: "A hill" } } }), part: "cast" } });
      same("a plan of nothing says so", [await view.frame.$eval("#empty", (node) => node.hidden), await view.text("#status")], [false, "empty.json: nothing to do"]);
      const bidi = "\u202egpj.exe\u2066\u200b\x1b[31m";
      const entry = (name, more = {}) => ({ name, action: "create", why: "", element_id: "", description: "", pictures: 2, clip: false, voice: "", line: 3, problems: [], ...more });
      await view.result(planOf({
        plan_id: HOSTILE, price: HOSTILE, notes: [HOSTILE, 5], problems: [HOSTILE], orphan: [HOSTILE, "cast x", null],
        missing: [{ name: HOSTILE + "2", why: bidi }, null, 7], create: "no list", shots: "none",
      }, {
        path: "/films/" + HOSTILE, require: HOSTILE, part: { a: 1 },
        cast: [
          entry(HOSTILE, { why: HOSTILE, description: HOSTILE.repeat(900), voice: HOSTILE, line: HOSTILE, problems: [HOSTILE] }), entry(bidi, { description: "\u202e".repeat(100_000), pictures: -3 }),
          entry("constructor", { action: "__proto__" }), entry("__proto__", { action: "missing" }), entry({ toString: "x" }), null, 7, entry("Zoe", { action: "problem", problems: Array(5000).fill(bidi) }), entry("Zoe"),
        ],
        shots: [{ shot: HOSTILE, take: HOSTILE, action: "render", prompt: HOSTILE, units: HOSTILE, files: [HOSTILE, { a: 1 }], problems: [bidi] }, { shot: "s", action: "constructor" }, null],
        pictures: { ["name " + HOSTILE.slice(0, 60)]: "https://evil.example/x.jpg", "name Zoe": 'data:image/jpeg;base64,AAAA" onerror="top.hacked=4', "name __proto__": PIXEL, __proto__: { "name Zoe": PIXEL } },
      }));
      await view.until(() => document.querySelectorAll("#grid li").length >= 4);
      same("each is one inert card", (await cards(view)).map(([name]) => name), [HOSTILE.slice(0, 60), "gpj.exe [31m", "__proto__", "Zoe"]);
      same("without markup from outside", await view.frame.evaluate(() => [document.querySelectorAll("#grid img:not([src^='data:image/jpeg;base64,/9j/']), main script, main svg, main b, #notes img, #shots img, #price img").length, document.scripts.length]), [0, 1]);
      const page = await view.frame.evaluate(() => document.body.innerText + [...document.querySelectorAll("[title], [aria-label]")].map((node) => node.title + node.ariaLabel).join());
      check("without direction, control or invisible characters", !/[\u202a-\u202e\u2066-\u2069\u200b\x1b]/.test(page));
      check("and short", page.length < 8000, page.length);
      await view.frame.click("#apply");
      await view.until(() => !document.getElementById("copy").hidden);
      check("the message can be copied, with names as quoted text", (await view.frame.$eval("#copy", (node) => node.value)).includes("plan_id " + JSON.stringify(HOSTILE.slice(0, 80))));
      await view.frame.click("#fill");
      await view.until(() => document.getElementById("copy").value.startsWith("Complete"));
      const fill = await view.frame.$eval("#copy", (node) => node.value);
      check("no reason of a sheet speaks in the person's name", fill.split("\n").length === 4 && !/[\u202e\x1b]/.test(fill), fill);
      check("nothing ran", await view.page.evaluate(() => window.hacked === undefined));
      same("no error in the console", view.trouble, []);
    },

    async "a production in a narrow frame, light and dark"() {
      const cast = Object.fromEntries(Array.from({ length: 8 }, (_, place) => ["Player " + place, place % 3 ? made((place % 6) + 1, "Number " + place) : {}]));
      const shots = Object.fromEntries(Array.from({ length: 40 }, (_, place) => ["s" + place, { prompt: `@{Player ${place % 8}} walks through the ${"very ".repeat(place % 9)}long street` }]));
      const args = { path: write("long.json", { cast, shots }) };
      const narrow = await open({ tool: "plan_production", args, width: 340, height: 560, context: { theme: "light" }, scheme: "dark" });
      check("a narrow frame needs no sideways scrolling", await narrow.frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      check("and all of the page fits into it", await narrow.fits());
      same("every shot is a line", (await lines(narrow)).length, 40);
      await narrow.until(() => [...document.images].filter((image) => image.naturalWidth > 0).length >= 5);
      await narrow.shot("cast-narrow");
      const bare = await open({ tool: "plan_production", args, capabilities: {}, scheme: "dark" });
      same("nothing is offered that the client cannot do", await buttons(bare), ["Add what is missing", "Apply the plan"]);
      await bare.shot("cast-dark");
      await bare.result({ ...planOf({ create: [{ name: "Kit", element_id: "", why: "no element has this name" }], missing: [{ name: "Lou", why: "w" }], problems: ["line 4, cast.Kit: must be short"], orphan: ["cast Old (element_id 7)"],
        shots: { render: [{ shot: "s1", take: 2, units: "3", why: "it was not made yet" }], unchanged: [], blocked: [] }, price: "3 video units" }), _meta: {} });
      await bare.until(() => document.querySelectorAll("#grid li").length === 2);
      same("without the data of the page the rows for programs are shown", [await cards(bare), await lines(bare), await bare.text("#notes"), await bare.text("#rest")],
        [[["Kit", "To create"], ["Lou", "Missing"]], [["s1, take 2", "To render"]], "line 4, cast.Kit: must be short", "In the lock file and no longer in the sheet: cast Old (element_id 7)"]);
    },
  };
};
