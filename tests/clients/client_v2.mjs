// The TypeScript SDK's client, version 2, which negotiates the newest protocol revision, over stdio.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const job = JSON.parse(process.env.JOB);
const client = new Client({ name: "ts-v2", version: "1" }, { versionNegotiation: { mode: "auto" } });
await client.connect(new StdioClientTransport({ command: job.command[0], args: job.command.slice(1), env: job.env, stderr: "ignore" }));
const { tools } = await client.listTools();
const result = await client.callTool({ name: "create_element_and_wait", arguments: job.arguments });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), result }));
await client.close();
