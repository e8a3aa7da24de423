import { beforeEach, describe, expect, it, vi } from "vitest";
import type { TritlensError } from "./errors.ts";
import type { LoadOptions } from "./load.ts";
import { type WasmBinding, wasmCore } from "./wasm.ts";

const fake = vi.hoisted(() => ({
  env: undefined as string | undefined,
  notices: [] as string[],
  native: true,
  wasm: true,
  workers: true,
  shared: false,
}));

vi.mock("#platform", () => ({
  platform: {
    name: "node",
    env: (name: string) => (name === "TRITLENS_BACKEND" ? fake.env : undefined),
    hasWorkers: () => fake.workers,
    canShareMemory: () => fake.shared,
    notice: (line: string) => fake.notices.push(line),
    loadNative: () => {
      if (!fake.native) throw new Error("Cannot find module '@tritlens/native'\nRequire stack: ...");
      return { backend: "native" };
    },
    wasmBytes: async () => undefined,
  },
}));
vi.mock("@tritlens/wasm", () => ({
  default: async () => {
    if (!fake.wasm) throw new Error("no wasm here");
    return { memory: new WebAssembly.Memory({ initial: 1 }) };
  },
  info: () => "{}",
  setThreads: () => 1,
  compiledModule: () => ({}),
}));
vi.mock("@tritlens/wasm/threads", () => ({
  default: async () => ({ memory: new WebAssembly.Memory({ initial: 1 }) }),
  info: () => "{}",
  compiledModule: () => ({}),
}));

/** A fresh copy of the loader, which keeps what it loaded. */
async function loader(): Promise<typeof import("./load.ts")> {
  vi.resetModules();
  return import("./load.ts");
}

beforeEach(() => {
  Object.assign(fake, { env: undefined, notices: [], native: true, wasm: true, workers: true, shared: false });
});

describe("loadCore", () => {
  it("prefers native and says nothing", async () => {
    const { loadCore, defaultCore } = await loader();
    const core = await loadCore();
    expect(core.backend).toBe("native");
    expect(defaultCore()).toBe(core);
    expect(fake.notices).toEqual([]);
  });
  it("falls back to WASM with one line, once", async () => {
    fake.native = false;
    const { loadCore } = await loader();
    expect([(await loadCore()).backend, (await loadCore()).backend]).toEqual(["wasm", "wasm"]);
    expect(fake.notices).toEqual([expect.stringMatching(/^tritlens: .*native core did not load.*using WebAssembly$/)]);
    expect(fake.notices[0]).not.toContain("\n");
  });
  it("takes the backend from TRITLENS_BACKEND, and from the option before that", async () => {
    fake.env = "wasm";
    const { loadCore } = await loader();
    expect((await loadCore()).backend).toBe("wasm");
    expect((await loadCore({ backend: "native" })).backend).toBe("native");
    expect(fake.notices).toEqual([]);
  });
  it("refuses what it cannot load, and may be asked again", async () => {
    const { loadCore, defaultCore } = await loader();
    expect(() => defaultCore()).toThrow(/E_BACKEND/);
    await expect(loadCore({ backend: "cuda" as never })).rejects.toThrow(/E_BACKEND.*auto, native or wasm.*cuda/);
    fake.native = false;
    await expect(loadCore({ backend: "native" })).rejects.toThrow(/E_BACKEND/);
    fake.wasm = false;
    await expect(loadCore()).rejects.toThrow(/E_BACKEND.*no wasm here/);
    fake.native = true;
    expect((await loadCore()).backend).toBe("native");
  });
  it("takes workers where there are some, and what is asked for before that", async () => {
    const { loadCore } = await loader();
    const info = async (options: LoadOptions): Promise<unknown> => (await loadCore({ backend: "wasm", ...options })).info();
    expect(await info({})).toMatchObject({ parallel: "workers", threads: 1 });
    expect(await info({ parallel: "none" })).toMatchObject({ parallel: "none" });
    expect(await info({ threads: 3 })).toMatchObject({ parallel: "workers", threads: 3 });
    await expect(info({ parallel: "fibres" as never })).rejects.toThrow(/E_BACKEND.*fibres/);
    fake.workers = false;
    expect((await (await loader()).loadCore({ backend: "wasm" })).info()).toMatchObject({ parallel: "none" });
  });
  it("takes threads where memory can be shared and more than one is asked for, unless a module is given", async () => {
    fake.shared = true;
    const { loadCore } = await loader();
    expect((await loadCore({ backend: "wasm" })).info()).toMatchObject({ parallel: "workers", threads: 1 });
    expect((await loadCore({ backend: "wasm", threads: 2 })).info()).toMatchObject({ parallel: "threads", threads: 2 });
    expect((await loadCore({ backend: "wasm", parallel: "workers" })).info()).toMatchObject({ parallel: "workers" });
    const other = await loader();
    expect((await other.loadCore({ backend: "wasm", wasmUrl: "here.wasm", threads: 2 })).info()).toMatchObject({ parallel: "workers" });
  });
});

describe("a WASM instance that panicked", () => {
  it("throws E_PANIC with the message, then E_DEAD", () => {
    const binding = {
      step: () => {
        throw new WebAssembly.RuntimeError("unreachable");
      },
      info: () => "{}",
      panicMessage: () => "index out of bounds at run.rs:1",
    } as unknown as WasmBinding;
    const core = wasmCore(binding, new WebAssembly.Memory({ initial: 1 }));
    const code = (call: () => unknown): string => {
      try {
        call();
      } catch (error) {
        return `${(error as TritlensError).code} ${(error as Error).message.includes("index out of bounds")}`;
      }
      return "nothing";
    };
    expect(code(() => core.info())).toBe("nothing");
    expect(code(() => core.step(1 as never))).toBe("E_PANIC true");
    expect(code(() => core.info())).toBe("E_DEAD true");
    expect(code(() => core.compile("{}"))).toBe("E_DEAD true");
  });
});
