/** The part of the boundary that is the same in both bindings: calls whose arguments and results cross as they are. */
import type { Core } from "./core.ts";
import { requireAttached, TritlensError } from "./errors.ts";

/** Names of those calls. */
export const SHARED = [
  "setThreads",
  "compile",
  "closeProgram",
  "init",
  "readParam",
  "writeParam",
  "effectiveParam",
  "paramCodes",
  "openSession",
  "sessionLength",
  "rewindSession",
  "closeSession",
  "sitePlace",
  "storedBytes",
  "openStored",
  "writeStored",
  "finishStored",
  "setStoredCodes",
  "readStoredRows",
  "readStoredCodes",
  "readStoredScales",
  "exportStored",
  "setTokens",
  "setPause",
  "setEdits",
  "sweep",
  "readParamGrad",
  "openTrainer",
  "setData",
  "trainerStep",
  "readTrainerState",
  "writeTrainerState",
  "setTrainerStep",
  "cancelTrainer",
  "closeTrainer",
  "laneLen",
  "runLanes",
  "readLane",
  "writeLane",
  "readLaneSums",
  "writeLaneSums",
  "finishStep",
  "packedBytes",
  "packCodes",
  "unpackCodes",
  "quantizeBlocks",
  "dequantizeBlocks",
  "packedMatmul",
  "packedMatmulInt8",
  "openPacked",
  "openPackedCodes",
  "importPacked",
  "exportPacked",
  "readPackedBytes",
  "readPackedCodes",
  "readPackedScales",
  "packedForward",
  "packedBackward",
  "closePacked",
  "binaryMatmul",
  "quantizeActivations",
  "quantizeWeights",
  "matmul",
  "random",
] as const; // prettier-ignore

/** One of {@link SHARED}. */
export type SharedName = (typeof SHARED)[number];

/** A binding's functions, by the names of {@link Core}. */
export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** Turns what a binding throws into a TritlensError. */
export interface Guard {
  /** Runs a call into the binding. */
  <T>(call: () => T): T;
  /** The two halves of it, for calls that must cost no closure: throws when the core cannot be called any more, and says what a failure was. */
  enter(): void;
  failed(error: unknown): TritlensError;
}

/** A guard from its halves. */
export function makeGuard(enter: () => void, failed: (error: unknown) => TritlensError): Guard {
  const guard = <T>(call: () => T): T => {
    enter();
    try {
      return call();
    } catch (error) {
      throw failed(error);
    }
  };
  return Object.assign(guard, { enter, failed });
}

/**
 * The shared calls of a binding, each guarded. A typed array whose buffer was transferred reads as empty on the other side, so it is refused here,
 * where it can still be told from an empty one.
 */
export function sharedCalls(binding: Functions, guard: Guard): Pick<Core, SharedName> {
  const out: Record<string, unknown> = {};
  const { enter, failed } = guard;
  for (const name of SHARED) {
    out[name] = (...args: unknown[]) => {
      for (const arg of args)
        if (typeof arg === "object" && ArrayBuffer.isView(arg) && arg.byteLength === 0) requireAttached(`an argument of ${name}`, arg);
      enter();
      try {
        return ((binding[name] as ((...a: unknown[]) => unknown) | undefined) ?? missing(name))(...args);
      } catch (error) {
        throw failed(error);
      }
    };
  }
  return out as Pick<Core, SharedName>;
}

/** A build for inference lacks the calls of gradients, of the trainer and some others: docs/wasm.md. */
export function missing(name: string): never {
  throw new TritlensError("E_BACKEND", `this build of the core has no ${name}`, { expected: "the default build" });
}
