// `node public-dependencies.mjs FOLDER CRATE…`, with the JSON of each crate in the folder.

import { readFileSync } from "node:fs";

// Types that a crate shows and another one defines.
const DEFINED_IN = { serde_core: "serde" };
const STANDARD = ["alloc", "core", "std"];

const [folder, ...crates] = process.argv.slice(2);
const shown = new Map(crates.flatMap((crate) => [...shownBy(crate)]));
const listed = rows(readFileSync("CONTRIBUTING.md", "utf8"));

for (const [row, path] of shown) {
    if (!listed.has(row)) complain(`${row} is not in the table of CONTRIBUTING.md: ${path}`);
}
for (const row of listed) {
    if (!shown.has(row)) complain(`${row} is in the table of CONTRIBUTING.md, and nothing public shows it`);
}
if (shown.size === 0) complain("nothing is shown at all: the JSON has another format");
if (!process.exitCode) console.log(`public dependencies ok: ${shown.size}`);

function complain(message) {
    console.error(message);
    process.exitCode = 1;
}

/** The dependencies that a crate shows, as `crate: dependency`, each with one of its types. */
function shownBy(crate) {
    const json = JSON.parse(readFileSync(`${folder}/${crate.replaceAll("-", "_")}.json`));
    const found = new Map();
    for (const item of Object.values(json.index)) {
        if (item.crate_id !== 0 || isOfEveryType(item)) continue;
        for (const id of references(item.inner)) {
            const summary = json.paths[id];
            if (!summary || summary.crate_id === 0) continue;
            const name = json.external_crates[summary.crate_id].name;
            const dependency = DEFINED_IN[name] ?? name;
            if (STANDARD.includes(dependency) || dependency.startsWith("logto")) continue;
            found.set(`${crate}: ${dependency}`, summary.path.join("::"));
        }
    }
    return found;
}

/** An implementation that a type has because every type has it. */
function isOfEveryType({ inner: { impl } }) {
    return impl && (impl.blanket_impl || impl.is_synthetic);
}

/** The ids of all types and traits in an item. */
function* references(value) {
    if (!value || typeof value !== "object") return;
    if ("id" in value && "path" in value) yield value.id;
    for (const member of Object.values(value)) yield* references(member);
}

/** The first two columns of the table below this heading. */
function rows(document) {
    const [section] = document.split("## Public dependencies\n")[1].split("\n## ");
    const matches = section.matchAll(/^\| `([\w-]+)` \| `([\w-]+)` \|/gm);
    return new Set([...matches].map(([, crate, dependency]) => `${crate}: ${dependency}`));
}
