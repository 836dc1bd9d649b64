// Builds the portal's static files into src/yunzhuo/webkit/static/dist: every name carries its content's hash, and
// manifest.json says which hashed file is meant by a plain name ("app.js" -> "app-3F2A....js").
// `npm run build -- --watch` builds again at every change.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, watch, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";
import { PurgeCSS } from "purgecss";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const source = path.join(root, "frontend");
const output = path.join(root, "src/yunzhuo/webkit/static/dist");

const SCRIPTS = [
  { name: "theme.js", format: "iife" },
  { name: "app.js", format: "esm" },
  { name: "console.js", format: "esm" },
  { name: "sound.js", format: "esm", inject: ["sound/ticket_socket.js"] },
];
const STYLES = ["styles/app.css"];
const IMAGES = ["images/favicon.svg"];

// Where a class name may stand. A rule whose names stand nowhere here is left out, so write them in full.
const CONTENT = ["src/yunzhuo/**/*.html", "src/yunzhuo/{web,webkit,license}/**/*.py", "frontend/**/*.js"];

const TARGETS = ["es2022", "chrome123", "firefox128", "safari17.5"];

/** The text of a bundled script. noVNC asks the browser about its codecs with a top-level await, so modules stay modules. */
async function script({ name, format, inject = [] }) {
  const result = await esbuild.build({
    entryPoints: [path.join(source, name)],
    bundle: true,
    inject: inject.map((file) => path.join(source, file)),
    write: false,
    minify: true,
    legalComments: "inline",
    format,
    target: TARGETS,
    logLevel: "warning",
  });
  return result.outputFiles[0].contents;
}

/** A bundled style sheet without the rules that no page uses. */
async function style(name) {
  const result = await esbuild.build({
    entryPoints: [path.join(source, name)],
    bundle: true,
    write: false,
    target: TARGETS,
    loader: { ".svg": "dataurl" },
    logLevel: "warning",
  });
  const [used] = await new PurgeCSS().purge({
    content: CONTENT.map((pattern) => path.join(root, pattern)),
    css: [{ raw: result.outputFiles[0].text }],
    keyframes: true,
    variables: true,
    safelist: { standard: ["html", "body", "dialog"], greedy: [/^data-/, /^htmx-/] },
  });
  const small = await esbuild.transform(used.css, { loader: "css", minify: true, target: TARGETS, legalComments: "inline" });
  return Buffer.from(small.code);
}

function hashedName(name, contents) {
  const { name: stem, ext } = path.parse(name);
  return `${stem}-${createHash("sha256").update(contents).digest("hex").slice(0, 12)}${ext}`;
}

async function build() {
  const started = performance.now();
  const files = new Map();
  await Promise.all([
    ...SCRIPTS.map(async (entry) => files.set(entry.name, await script(entry))),
    ...STYLES.map(async (name) => files.set(path.basename(name), await style(name))),
    ...IMAGES.map(async (name) => files.set(path.basename(name), await readFile(path.join(source, name)))),
  ]);
  await mkdir(output, { recursive: true });
  const manifest = {};
  for (const name of [...files.keys()].sort()) {
    manifest[name] = hashedName(name, files.get(name));
    await writeFile(path.join(output, manifest[name]), files.get(name));
  }
  // The manifest changes last and at once: whoever reads it meanwhile finds the files that it names.
  const partial = path.join(output, "manifest.json.partial");
  await writeFile(partial, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(partial, path.join(output, "manifest.json"));
  const kept = new Set([...Object.values(manifest), "manifest.json"]);
  for (const name of await readdir(output)) {
    if (!kept.has(name)) await rm(path.join(output, name), { recursive: true });
  }
  report(files, performance.now() - started);
}

function report(files, milliseconds) {
  const sizes = [...files].map(([name, contents]) => `${name} ${Math.ceil(contents.length / 1024)} KiB`).sort();
  process.stdout.write(`front end built in ${(milliseconds / 1000).toFixed(1)} s: ${sizes.join(", ")}\n`);
}

/** Builds again once things have been quiet for a moment. */
async function watchFolders(folders) {
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => build().catch((error) => process.stderr.write(`${error.message}\n`)), 100);
  };
  await Promise.all(
    folders.map(async (folder) => {
      for await (const change of watch(folder, { recursive: true })) {
        if (/\.(js|css|html|py|svg)$/.test(change.filename ?? "")) later();
      }
    }),
  );
}

await build();
if (process.argv.includes("--watch")) {
  await watchFolders([source, path.join(root, "src/yunzhuo/web"), path.join(root, "src/yunzhuo/webkit/templates")]);
}
