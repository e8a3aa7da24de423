/**
 * Bundles what the package ships as finished files: the report page's script and style, and the command line's parser. Both are needed at build time
 * only, so nobody who installs the package installs Observable Plot or commander.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const sdk = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Bundles the report's page script and style into `folder`. */
export async function bundleReport(folder = join(sdk, "dist/lab/report/assets")) {
  const client = join(sdk, "src/lab/report/client");
  const common = {
    bundle: true,
    minify: true,
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    target: ["chrome110", "firefox115", "safari16.4"],
  };
  await build({ ...common, entryPoints: [join(client, "main.ts")], format: "iife", outfile: join(folder, "report.js") });
  await build({
    ...common,
    entryPoints: [join(client, "style.css")],
    outfile: join(folder, "report.css"),
    plugins: [theme(join(client, "theme.ts"))],
  });
}

/** Makes `@import "theme:colours"` the style sheet that a module's `themeCss()` returns, so that colours are written down once. */
function theme(file) {
  return {
    name: "theme",
    setup(bundle) {
      bundle.onResolve({ filter: /^theme:/ }, ({ path }) => ({ path, namespace: "theme" }));
      bundle.onLoad({ filter: /.*/, namespace: "theme" }, async () => {
        const { outputFiles } = await build({ entryPoints: [file], bundle: true, format: "esm", write: false, logLevel: "warning" });
        const { themeCss } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
        return { contents: themeCss(), loader: "css" };
      });
    },
  };
}

/** Replaces the re-export that tsc wrote by the parser itself. */
export async function bundleParser() {
  const file = join(sdk, "dist/cli/commander.js");
  const source = await readFile(join(sdk, "src/cli/commander.ts"), "utf8");
  await build({
    stdin: { contents: source, resolveDir: sdk, loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    outfile: file,
    allowOverwrite: true,
    legalComments: "inline",
    logLevel: "warning",
    // commander is CommonJS and requires node's own modules.
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
  });
}

/** Everything. */
export async function bundleAssets() {
  await Promise.all([bundleReport(), bundleParser()]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleAssets();
