/**
 * Test projects. Every project that needs a part of the toolchain (addon, WASM, Chromium) fails when the part is missing; none skips.
 *
 * `conformance[...]` is one suite run once per backend: the file asks `TRITLENS_BACKEND` which core to load, and `TRITLENS_ISA` forces the
 * kernels. Both variables work outside of tests, too.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`packages/sdk/src/${path}`, import.meta.url));

/** Tests import `tritlens` from its source, so that no build has to run first. */
const alias = [
  { find: /^tritlens$/, replacement: source("index.ts") },
  { find: /^tritlens\/(\w+)$/, replacement: source("$1/index.ts") },
  // The source's own platform import would lead to dist, and to a second copy of every class.
  { find: /^#platform$/, replacement: source("core/platform/node.ts") },
];

/** The environment of one project; a child process sets it before the addon is loaded (pool `forks`), so that Rust sees it as well. */
const project = (name: string, include: string[], env: Record<string, string> = {}, testTimeout = 60_000) => ({
  resolve: { alias },
  test: { name, include, env, testTimeout, hookTimeout: testTimeout, pool: "forks" as const },
});

const conformance = ["tests/conformance/**/*.test.ts", "tests/hostile/**/*.test.ts"];
const minutes = 60_000;

export default defineConfig({
  test: {
    // Native training is itself parallel; two files at once are enough for the two cores that CI has.
    maxWorkers: 2,
    projects: [
      project("unit", ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts", "tests/fuzz/**/*.test.ts"]),
      project("conformance[native]", conformance, { TRITLENS_BACKEND: "native" }),
      project("conformance[native,ISA=scalar]", conformance, { TRITLENS_BACKEND: "native", TRITLENS_ISA: "scalar" }),
      project("conformance[wasm]", conformance, { TRITLENS_BACKEND: "wasm" }),
      project("golden", ["tests/golden/**/*.test.ts"], {}, 5 * minutes),
      project("studies", ["tests/studies/**/*.test.ts"], {}, 5 * minutes),
      project("large", ["tests/large/**/*.test.ts"], {}, 5 * minutes),
      project("browser", ["tests/browser/**/*.test.ts"], {}, 5 * minutes),
      project("packaging", ["tests/packaging/**/*.test.ts"], {}, 10 * minutes),
      {
        resolve: { alias },
        test: {
          name: "types",
          include: [],
          typecheck: { enabled: true, only: true, include: ["tests/types/**/*.test-d.ts"], tsconfig: "tests/tsconfig.json" },
        },
      },
    ],
  },
});
