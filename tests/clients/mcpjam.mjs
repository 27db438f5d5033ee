// MCPJam's checks of a server over http and of its page: prints their own summaries and what did not pass.
//
// Exit: 0 all passed, but for what is skipped because the server does not offer a deprecated feature; 1 otherwise.
import { readFileSync } from "node:fs";
import { MCPAppsConformanceTest, MCPConformanceTest } from "@mcpjam/sdk";

const DEPRECATED = new Set(["logging-set-level"]);
const { url, headers } = JSON.parse(readFileSync(process.env.JOB, "utf8"));
const accessToken = headers.Authorization.replace("Bearer ", "");
const suites = {
  protocol: new MCPConformanceTest({ serverUrl: url, accessToken, customHeaders: headers }),
  apps: new MCPAppsConformanceTest({ url, accessToken, requestInit: { headers } }),
};

let wrong = 0;
const summaries = [];
for (const [name, suite] of Object.entries(suites)) {
  const { checks, summary } = await suite.run();
  const others = checks.filter(({ id, status }) => status !== "passed" && !(status === "skipped" && DEPRECATED.has(id)));
  if (checks.length === 0) others.push({ id: "no checks were made" });
  for (const { id, status, error } of others) console.error(name, id, status, error?.message ?? "");
  wrong += others.length;
  summaries.push(`${name} ${summary}`);
}
console.log(JSON.stringify({ summary: summaries.join("; ") }));
process.exit(wrong ? 1 : 0); // the SDK keeps connections open
