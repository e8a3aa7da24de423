/** The page's script and style, bundled when the package is built (packages/sdk/scripts/bundle-assets.mjs). */
import { readFile } from "node:fs/promises";
import { TritlensError } from "../../core/index.ts";
import type { PageAssets } from "./page.ts";

/** Beside the compiled module in the package; `TRITLENS_REPORT_ASSETS` points elsewhere, for running from source. */
function folder(): URL {
  const other = process.env.TRITLENS_REPORT_ASSETS;
  return other ? new URL(`file://${other.endsWith("/") ? other : `${other}/`}`) : new URL("./assets/", import.meta.url);
}

/** Reads the assets. @throws E_IO when the package was not built. */
export async function pageAssets(): Promise<PageAssets> {
  try {
    const [script, style] = await Promise.all(["report.js", "report.css"].map((name) => readFile(new URL(name, folder()), "utf8")));
    return { script: script as string, style: style as string };
  } catch (cause) {
    throw new TritlensError("E_IO", "the report's script is not there", {
      expected: "report.js and report.css beside the compiled lab/report (npm run build:sdk)",
      found: folder().pathname,
      cause,
    });
  }
}
