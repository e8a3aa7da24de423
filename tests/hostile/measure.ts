/** What opening a file costs: time, typed arrays, heap, and bytes read. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ByteSource } from "tritlens/io";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Costs of one call; each is the least of three calls, so that neither the compiler nor a busy machine counts. */
export interface Cost {
  readonly milliseconds: number;
  /** Bytes of every typed array and ArrayBuffer that was made by its length, kept or not. */
  readonly allocated: number;
  /** Growth of the heap. */
  readonly heap: number;
  /** Bytes that were asked of the source. */
  readonly read: number;
}

/** Bytes in memory that count what is read of them. */
export function countingSource(bytes: Uint8Array): ByteSource & { readBytes: number } {
  return {
    name: "hostile",
    size: bytes.byteLength,
    readBytes: 0,
    async read(offset, into) {
      this.readBytes += into.byteLength;
      into.set(bytes.subarray(offset, offset + into.byteLength));
    },
    close: async () => undefined,
  };
}

/** Opens the bytes three times. */
export async function costOf(bytes: Uint8Array, open: (source: ByteSource) => Promise<unknown>): Promise<Cost> {
  const costs: Cost[] = [];
  for (let i = 0; i < 3; i++) {
    const source = countingSource(bytes);
    collect();
    const counter = countAllocations();
    const heap = process.memoryUsage().heapUsed;
    const start = performance.now();
    await open(source).catch(() => undefined);
    const milliseconds = performance.now() - start;
    costs.push({ milliseconds, heap: process.memoryUsage().heapUsed - heap, allocated: counter.stop(), read: source.readBytes });
  }
  const least = (key: keyof Cost): number => Math.min(...costs.map((cost) => cost[key]));
  return { milliseconds: least("milliseconds"), allocated: least("allocated"), heap: least("heap"), read: least("read") };
}

const COUNTED = ["ArrayBuffer", "Uint8Array", "Uint16Array", "Uint32Array", "Float64Array", "BigUint64Array"] as const;

/** Stands in front of the constructors, so that nothing escapes by being collected early. */
function countAllocations(): { stop(): number } {
  let bytes = 0;
  const globals = globalThis as unknown as Record<string, { BYTES_PER_ELEMENT?: number } & (new (...args: unknown[]) => object)>;
  const originals = COUNTED.map((name) => globals[name] as (typeof globals)[string]);
  for (const [i, name] of COUNTED.entries()) {
    const original = originals[i] as (typeof globals)[string];
    const counting: typeof original = new Proxy(original, {
      construct(target, args, newTarget) {
        if (typeof args[0] === "number") bytes += args[0] * (target.BYTES_PER_ELEMENT ?? 1);
        return Reflect.construct(target, args, newTarget === counting ? target : newTarget) as object;
      },
    });
    globals[name] = counting;
  }
  return {
    stop() {
      for (const [i, name] of COUNTED.entries()) globals[name] = originals[i] as (typeof globals)[string];
      return bytes;
    },
  };
}
