// Copies the vendored parts of the pages into src/ensign/static/vendor and records their SHA-256.
//
// The result is committed, so running Ensign needs no Node. Two runs give the same bytes: inputs are
// pinned by package-lock.json, the order is fixed here, and nothing carries a time. References to source
// maps are stripped, because manifest storage refuses a reference to a file that is not there.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { icons } from "./icons.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const vendor = join(here, "..", "src", "ensign", "static", "vendor");

const copied = {
  "bootstrap-reboot.min.css": "bootstrap/dist/css/bootstrap-reboot.min.css",
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "hx-csp.min.js": "htmx.org/dist/ext/hx-csp.min.js",
  "LICENSE-bootstrap.txt": "bootstrap/LICENSE",
  "LICENSE-htmx.txt": "htmx.org/LICENSE",
  "LICENSE-lucide.txt": "lucide-static/LICENSE",
};

/** The text of a file without its source map reference, ended by exactly one newline. */
function withoutSourceMap(text) {
  return `${text.replace(/^\s*(\/\/|\/\*)[#@] sourceMappingURL=.*$/gm, "").trimEnd()}\n`;
}

/** One <symbol> from an SVG file: the drawing only; colour and stroke come from the page's CSS. */
function symbol(name, svg) {
  const open = svg.match(/<svg[^>]*>/s)[0];
  const viewBox = open.match(/viewBox="([^"]+)"/)[1];
  const body = svg.slice(svg.indexOf(open) + open.length, svg.lastIndexOf("</svg>"));
  return `<symbol id="${name}" viewBox="${viewBox}">${body.replace(/\s*\n\s*/g, "")}</symbol>`;
}

function sprite() {
  const lucide = icons.map(([name, source]) => [
    name,
    readFileSync(join(modules, "lucide-static", "icons", `${source}.svg`), "utf8"),
  ]);
  const symbols = lucide.sort(([a], [b]) => (a < b ? -1 : 1));
  const names = symbols.map(([name]) => name);
  if (new Set(names).size !== names.length) throw new Error("two icons share a name");
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.map((s) => symbol(...s)).join("\n")}\n</svg>\n`;
}

rmSync(vendor, { recursive: true, force: true });
mkdirSync(vendor, { recursive: true });
for (const [name, source] of Object.entries(copied)) {
  writeFileSync(join(vendor, name), withoutSourceMap(readFileSync(join(modules, source), "utf8")));
}
writeFileSync(join(vendor, "icons.svg"), sprite());

const sums = readdirSync(vendor)
  .sort()
  .map((name) => `${createHash("sha256").update(readFileSync(join(vendor, name))).digest("hex")}  ${name}\n`);
writeFileSync(join(vendor, "SHA256SUMS"), sums.join(""));
process.stdout.write(sums.join(""));
