// The TypeScript SDK's client, version 1, over stdio: list the tools, create and wait.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const job = JSON.parse(process.env.JOB);
const client = new Client({ name: "ts-v1", version: "1" });
await client.connect(new StdioClientTransport({ command: job.command[0], args: job.command.slice(1), env: job.env, stderr: "ignore" }));
const { tools } = await client.listTools();
// The SDK checks structured content against the output schema that listTools showed it, and throws if it differs.
const result = await client.callTool({ name: "create_element_and_wait", arguments: job.arguments });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), result }));
await client.close();
