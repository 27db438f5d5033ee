// The page of a host: the official bridge and the official client, in front of the real server.
import { AppBridge, PostMessageTransport, RESOURCE_MIME_TYPE, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const EXTENSION = "io.modelcontextprotocol/ui";
const ALL = { openLinks: {}, serverTools: {}, serverResources: {}, logging: {}, message: { text: {} } };

// What the view asked of the host.
window.seen = { messages: [], links: [], sizes: [], reads: [], calls: [] };

// Until the view has worked off what was sent to it: messages arrive in order, and it answers a ping after them.
let pings = 0;
window.workedOff = () => new Promise((resolve) => {
  const id = "ping-" + ++pings;
  const onAnswer = ({ source, data }) => {
    if (source !== window.frame.contentWindow || data?.id !== id) return;
    removeEventListener("message", onAnswer);
    resolve();
  };
  addEventListener("message", onAnswer);
  window.frame.contentWindow.postMessage({ jsonrpc: "2.0", id, method: "ping" }, "*");
});

window.open = async ({ server, sandbox, tool: wanted = "find_elements", args, context, capabilities = ALL, refuse = false, height = 640, width = 760 }) => {
  const client = new Client({ name: "host", version: "1" }, { capabilities: { extensions: { [EXTENSION]: { mimeTypes: [RESOURCE_MIME_TYPE] } } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(server), { requestInit: { headers: { "X-Kling-Api-Key": "gallery-key" } } }));
  const tool = (await client.listTools()).tools.find(({ name }) => name === wanted);
  const uri = getToolUiResourceUri(tool);
  const [page] = (await client.readResource({ uri })).contents;
  if (page.mimeType !== RESOURCE_MIME_TYPE) throw new Error("wrong type " + page.mimeType);

  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
  frame.style = `width:${width}px;height:${height}px;border:0`;
  const ready = new Promise((resolve) => addEventListener("message", ({ source, data }) => {
    if (source === frame.contentWindow && data?.method === "ui/notifications/sandbox-proxy-ready") resolve();
  }));
  frame.src = sandbox + "?csp=" + encodeURIComponent(JSON.stringify(page._meta?.ui?.csp ?? null));
  document.body.append(frame);
  await ready;

  const bridge = new AppBridge(client, { name: "host", version: "1" }, capabilities, {
    hostContext: { displayMode: "inline", containerDimensions: { maxHeight: height, width }, locale: "en-GB", ...context },
  });
  bridge.addEventListener("sizechange", (size) => window.seen.sizes.push(size));
  bridge.onmessage = async (message) => { window.seen.messages.push(message); return refuse ? { isError: true } : {}; };
  bridge.onopenlink = async ({ url }) => { window.seen.links.push(url); return {}; };
  const initialized = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  const { onreadresource, oncalltool } = bridge;
  if (onreadresource) bridge.onreadresource = (params, extra) => { window.seen.reads.push(params.uri); return onreadresource(params, extra); };
  if (oncalltool) bridge.oncalltool = (params, extra) => { window.seen.calls.push(params); return oncalltool(params, extra); };
  await bridge.sendSandboxResourceReady({ html: page.text, csp: page._meta?.ui?.csp });
  await initialized;
  await bridge.sendToolInput({ arguments: args });
  const result = await client.callTool({ name: wanted, arguments: args });
  await bridge.sendToolResult(result);
  Object.assign(window, { bridge, client, frame });
  await window.workedOff();
  return { uri, csp: page._meta?.ui?.csp, html: page.text.length, result };
};
