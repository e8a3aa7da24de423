import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { main } from "./main.ts";
import { Screen } from "./screen.ts";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await main(argv, { out: { write: (s) => (out += s) }, err: { write: (s) => (err += s) } });
  return { code, out, err };
}

describe("the command line", () => {
  it("explains itself", async () => {
    const help = await run("--help");
    expect(help.code).toBe(0);
    expect(help.out).toMatch(/reproduce[\s\S]*analyze[\s\S]*info/);
    expect((await run("reproduce", "--help")).out).toMatch(/--out[\s\S]*--modes[\s\S]*--quick[\s\S]*--seeds[\s\S]*--threads[\s\S]*--backend/);
  });

  it.each([
    [["reprodcue"], "did you mean"],
    [["reproduce", "--sedes", "3"], "unknown option '--sedes'"],
    [["reproduce", "--seeds", "many"], "expected a whole number"],
    [["reproduce", "--backend", "gpu"], "Allowed choices are auto, native, wasm"],
    [["analyze"], "missing required argument 'checkpoint'"],
    [[], "Usage: tritlens"],
  ])("%j is wrong usage: exit code 2", async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err.toLowerCase()).toContain(message.toLowerCase());
  });

  it.each([
    [["--p", "2"], "E_RANGE: wrong value of p (expected an integer in [3, 1000], found 2)"],
    [["--fraction", "1"], "E_RANGE: wrong value of fraction (expected a number in (0, 1), found 1)"],
    [["--modes", "fp32,li_tenrary"], "did you mean li_ternary"],
    [["--seeds", "0"], "E_RANGE: wrong value of seeds"],
  ])("reproduce %j is refused before anything is written", async (argv, message) => {
    const out = join(await mkdtemp(join(tmpdir(), "tritlens-cli-")), "never");
    const { code, err } = await run("reproduce", "--out", out, ...argv);
    expect(err).toContain(message);
    expect(err).not.toContain("    at ");
    expect(code).toBe(2);
  });

  it("prints a stack only when asked", async () => {
    expect((await run("reproduce", "--p", "2", "--verbose")).err).toContain("    at ");
  });
});

describe("the screen", () => {
  it("draws a block over itself on a terminal, and keeps printed lines", () => {
    let text = "";
    const screen = new Screen({ write: (s) => (text += s), isTTY: true, columns: 80 }, {});
    screen.block(() => ["a", "b"], 0);
    screen.block(() => ["too soon"], 50);
    screen.block(() => ["c"], 200);
    screen.print("kept");
    expect(text).toBe("a\nb\n\u001b[2A\u001b[0Jc\n\u001b[1A\u001b[0Jkept\n");
  });

  it("prints plain lines elsewhere", () => {
    let text = "";
    const screen = new Screen({ write: (s) => (text += s) }, {});
    screen.block(() => ["a"], 0);
    screen.print(screen.bold("kept"));
    expect(text).toBe("kept\n");
    expect(new Screen({ write: () => 0, isTTY: true }, { TERM: "dumb" }).live).toBe(false);
    expect(new Screen({ write: () => 0, isTTY: true }, { NO_COLOR: "1" }).bold("x")).toBe("x");
  });
});
