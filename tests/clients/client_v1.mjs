// The TypeScript SDK's client, version 1, over stdio or http: list the tools, create and wait.
import { readFileSync } from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const job = JSON.parse(readFileSync(process.env.JOB, "utf8"));
const transport = job.url
  ? new StreamableHTTPClientTransport(new URL(job.url), { requestInit: { headers: job.headers } })
  : new StdioClientTransport({ command: job.command[0], args: job.command.slice(1), env: job.env, stderr: "ignore" });
// The client tells its transport the revision that was agreed on, and nobody else.
let revision = "";
const told = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (agreed) => { revision = agreed; told?.(agreed); };

const client = new Client({ name: "ts-v1", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
// The SDK checks structured content against the output schema that listTools showed it, and throws if it differs.
const result = await client.callTool({ name: "create_element_and_wait", arguments: job.arguments });
console.log(JSON.stringify({ revision, tools: tools.map((tool) => tool.name), result }));
await client.close();
