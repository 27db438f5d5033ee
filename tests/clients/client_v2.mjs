// The TypeScript SDK's client, version 2, which negotiates the newest protocol revision, over stdio or http.
import { readFileSync } from "node:fs";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const job = JSON.parse(readFileSync(process.env.JOB, "utf8"));
const transport = job.url
  ? new StreamableHTTPClientTransport(new URL(job.url), { requestInit: { headers: job.headers } })
  : new StdioClientTransport({ command: job.command[0], args: job.command.slice(1), env: job.env, stderr: "ignore" });
const client = new Client({ name: "ts-v2", version: "1" }, { versionNegotiation: { mode: "auto" } });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: "create_element_and_wait", arguments: job.arguments });
const revision = client.getNegotiatedProtocolVersion();
console.log(JSON.stringify({ revision, tools: tools.map((tool) => tool.name), result }));
await client.close();
