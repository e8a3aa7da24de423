/** What the two bindings declare is what the adapters of the SDK expect, and what users write has the types that the documentation promises. */
import type * as native from "@tritlens/native";
import type * as wasm from "@tritlens/wasm";
import { type Core, loadCore, type Model, modularAddition, type Tensor, type TrainEvent, train } from "tritlens";
import type { ModAddAnalysis } from "tritlens/interp";
import { liConfig, type TransformerConfig } from "tritlens/models";
import { openWorker } from "tritlens/worker";
import { describe, expectTypeOf, test } from "vitest";
import type { NativeBinding } from "../../packages/sdk/src/core/native.ts";
import type { WasmBinding } from "../../packages/sdk/src/core/wasm.ts";

/** A type without its index signature. */
type Named<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
type Args<T> = T extends (...args: infer A) => unknown ? A : never;
type Native = typeof native;
type Wasm = typeof wasm;

describe("bindings", () => {
  test("the addon is what the native adapter wraps", () => expectTypeOf<Native>().toExtend<Named<NativeBinding>>());
  test("the WASM package is what its adapter wraps", () => expectTypeOf<Wasm>().toExtend<Named<WasmBinding>>());
  test("native and WASM differ in the arena alone", () => {
    type Shared = Exclude<keyof Native & keyof Wasm, "default" | "step" | "stepBack" | "loss" | "seedGrad">;
    expectTypeOf<{ [K in Shared]: Args<Native[K]> }>().toEqualTypeOf<{ [K in Shared]: Args<Wasm[K]> }>();
    expectTypeOf<Shared>().toExtend<keyof Core | "arenaLen">();
  });
});

declare const model: Model;

describe("what users write", () => {
  test("a core", () => expectTypeOf(loadCore).returns.resolves.toEqualTypeOf<Core>());
  test("a config", () => {
    expectTypeOf(liConfig({ p: 113, mode: "li_ternary" })).toEqualTypeOf<TransformerConfig>();
    // @ts-expect-error a mode that does not exist
    liConfig({ p: 113, mode: "quaternary" });
    // @ts-expect-error the modulus is needed
    liConfig({});
  });
  test("runs", () => {
    expectTypeOf(model.runWithHooks([[1, 2, 3]], {})).toEqualTypeOf<Tensor>();
    expectTypeOf(model.runWithCache([[1, 2, 3]]).logits).toEqualTypeOf<Tensor>();
  });
  test("training yields progress", () => {
    expectTypeOf(train(model, modularAddition({ p: 5 }), { steps: 1 })).toExtend<AsyncIterable<TrainEvent>>();
    // @ts-expect-error the number of steps is needed
    train(model, modularAddition({ p: 5 }), {});
  });
  test("a worker analyses as the page does", async () => {
    const worker = await openWorker({ config: liConfig({ p: 5 }) });
    expectTypeOf(worker.analyze).returns.resolves.toEqualTypeOf<ModAddAnalysis>();
  });
});
