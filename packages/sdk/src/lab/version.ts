/** Version of the package, from its package.json: one place to change it. */
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

/** Version of tritlens. */
export const VERSION: string = manifest.version;
