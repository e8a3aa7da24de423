import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, RELAXED_PROBE } from "./relaxed.ts";

/** Behind a flag before Node 22. */
const FLAG = Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

/** What an engine with relaxed SIMD says to these bytes. */
function accepted(bytes: Uint8Array): string {
  const program = `console.log(WebAssembly.validate(Uint8Array.of(${bytes.join()})))`;
  return spawnSync(process.execPath, [...FLAG, "-e", program], { encoding: "utf8" }).stdout.trim();
}

describe("hasRelaxedSimd", () => {
  it("is false exactly where the flag is missing", () => expect(hasRelaxedSimd()).toBe(FLAG.length === 0));

  it("asks with a module that is valid where there is relaxed SIMD", () => {
    expect(accepted(RELAXED_PROBE)).toBe("true");
    expect(accepted(RELAXED_PROBE.with(-2, 9))).toBe("false");
  });
});
