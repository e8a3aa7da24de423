import { describe, expect, it } from "vitest";
import { TritlensError } from "../core/index.ts";
import { describeError, EXIT, exitCode } from "./exit.ts";
import { bar, shortNumber, sparkline, table } from "./text.ts";

describe("text", () => {
  it("draws bars of one width", () => {
    expect([0, 0.5, 0.51, 1, 2, -1, Number.NaN].map((x) => bar(x, 8).length)).toEqual([8, 8, 8, 8, 8, 8, 8]);
    expect(bar(0.5, 4)).toBe("██  ");
    expect(bar(1 / 32, 4)).toBe("▏   ");
  });

  it("draws sparklines, with gaps", () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe("▁▂▃▄▅▆▇█");
    expect(sparkline([1, Number.NaN, 1], 8)).toBe("▁ ▁");
    expect(sparkline(Array(100).fill(1), 10, 0, 1)).toBe("██████████");
    expect(sparkline([], 5)).toBe("");
  });

  it("lines columns up", () => {
    expect(
      table(
        [
          ["a", "1"],
          ["bcd", "22"],
        ],
        [1],
      ),
    ).toBe("a     1\nbcd  22");
  });

  it("writes numbers short", () => {
    expect([0, 1e-7, 0.01234, 4.7273, 1234.5, null, Number.NaN].map(shortNumber)).toEqual(["0.00", "1.0e-7", "0.0123", "4.73", "1235", "-", "-"]);
  });
});

describe("errors", () => {
  it("say code, message, expected, found and the nearest name on one line", () => {
    const error = new TritlensError("E_MODE", 'unknown mode "li_tenrary"', {
      expected: "one of fp32, li_ternary",
      found: "li_tenrary",
      nearest: "li_ternary",
    });
    expect(describeError(error)).toBe(
      'E_MODE: unknown mode "li_tenrary" (expected one of fp32, li_ternary, found li_tenrary; did you mean li_ternary?)',
    );
    expect(describeError(new TritlensError("E_IO", "cannot write"))).toBe("E_IO: cannot write");
    expect(describeError(new Error("boom"))).toBe("E_PANIC: boom");
  });

  it("keep escape sequences away from the terminal", () => {
    expect(describeError(new Error("\u001b[2Jgone"))).toBe("E_PANIC: \\x1b[2Jgone");
  });

  it("have exit codes", () => {
    const range = new TritlensError("E_RANGE", "p");
    expect([exitCode(range, true), exitCode(range, false), exitCode(new TritlensError("E_ABORTED", ""), false), exitCode(new Error(), true)]).toEqual(
      [EXIT.usage, EXIT.error, EXIT.interrupted, EXIT.error],
    );
  });
});
