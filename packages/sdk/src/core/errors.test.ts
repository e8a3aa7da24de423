import { describe, expect, it } from "vitest";
import { editDistance, fromWire, isDetached, nearestNames, requireAttached, TritlensError, unknownName } from "./errors.ts";

describe("fromWire", () => {
  it("reads code, message and details", () => {
    const e = fromWire(new Error('E_SHAPE {"message":"bad","expected":"[2, 3]","found":"[3]","nearest":null}'));
    expect(e).toBeInstanceOf(TritlensError);
    expect([e.code, e.expected, e.found, e.nearest]).toEqual(["E_SHAPE", "[2, 3]", "[3]", undefined]);
  });
  it("keeps a typed error as it is", () => {
    const e = new TritlensError("E_NAME", "x");
    expect(fromWire(e)).toBe(e);
  });
  it("calls anything else a panic", () => {
    expect(fromWire(new Error("boom")).code).toBe("E_PANIC");
  });
});

describe("names", () => {
  it("counts edits", () => {
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("same", "same")).toBe(0);
  });
  it("finds the nearest", () => {
    expect(nearestNames("hook_residpre", ["hook_q", "hook_resid_pre", "hook_resid_post"], 2)).toEqual(["hook_resid_pre", "hook_resid_post"]);
    expect(nearestNames("resid_post", ["hook_embed", "blocks.0.hook_resid_post"], 1)).toEqual(["blocks.0.hook_resid_post"]);
    expect(unknownName("hook", "hook_qq", ["hook_q"]).nearest).toBe("hook_q");
  });
});

describe("messages", () => {
  it("escape control characters of names from files", () => {
    expect(new TritlensError("E_FORMAT", "tensor \u001b]0;x").message).not.toContain("\u001b");
  });
});

describe("detached buffers", () => {
  it("are told from empty ones", () => {
    const a = new Float32Array(4);
    structuredClone(a.buffer, { transfer: [a.buffer] });
    expect(isDetached(a)).toBe(true);
    expect(isDetached(new Float32Array(0))).toBe(false);
    expect(() => requireAttached("tokens", a)).toThrow(/E_DETACHED/);
  });
});
