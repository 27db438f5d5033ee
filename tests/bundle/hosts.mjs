// What a host runs for an unpacked bundle, by the official library: node hosts.mjs FOLDER, with a list of forms on
// stdin, each {values, defaults}. Without defaults the manifest is read as if no field had one, which leaves every
// placeholder as it is. Prints one {command, args, env} a form.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";

const [folder] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
const forms = JSON.parse(readFileSync(0, "utf8"));

const withoutDefaults = structuredClone(manifest);
for (const field of Object.values(withoutDefaults.user_config)) delete field.default;

const configs = forms.map(({ values, defaults }) =>
  getMcpConfigForManifest({
    manifest: defaults ? manifest : withoutDefaults,
    extensionPath: folder,
    systemDirs: {},
    userConfig: values,
    pathSeparator: "/",
  }),
);
console.log(JSON.stringify(await Promise.all(configs)));
