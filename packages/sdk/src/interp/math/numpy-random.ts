/**
 * numpy's `default_rng(seed)`, bit for bit: SeedSequence, PCG64 (XSL-RR 128/64) and Lemire's bounded integers on 32-bit halves. The reference analysis
 * draws its gradient triples with it, and a metric over 100 random triples can only be compared on the same triples. For anything else use the core's generator.
 */

const MASK32 = 0xffff_ffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** SeedSequence(seed).generate_state(8): eight 32-bit words (M. E. O'Neill's seed_seq_fe as numpy has it). Seeds below 2^32. */
function seedWords(seed: number): number[] {
  const pool = fillPool(seed);
  let constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, i) => {
    let value = ((pool[i % 4] as number) ^ constant) >>> 0;
    constant = Math.imul(constant, 0x58f38ded) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
}

function fillPool(seed: number): number[] {
  let constant = 0x43b0d7e5;
  const hash = (word: number): number => {
    let value = (word ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const pool = [seed >>> 0, 0, 0, 0].map(hash);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to] as number, hash(pool[from] as number));
  }
  return pool;
}

function mix(x: number, y: number): number {
  const value = (Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715)) >>> 0;
  return (value ^ (value >>> 16)) >>> 0;
}

/** The generator. One instance is one stream. */
export class NumpyRandom {
  private state: bigint;
  private readonly increment: bigint;
  /** The unused high half of the last 64-bit output, as numpy buffers it. */
  private half: bigint | undefined;

  /** `numpy.random.default_rng(seed)` for an integer seed in [0, 2^32). */
  constructor(seed: number) {
    const words = seedWords(seed).map(BigInt);
    const wide = (i: number): bigint => ((words[2 * i + 1] as bigint) << 32n) | (words[2 * i] as bigint);
    this.increment = ((((wide(2) << 64n) | wide(3)) << 1n) | 1n) & MASK128;
    this.state = (this.increment + ((wide(0) << 64n) | wide(1))) & MASK128;
    this.advance();
  }

  /** The next 64-bit output. */
  next64(): bigint {
    this.advance();
    const value = ((this.state >> 64n) ^ this.state) & MASK64;
    const rotation = this.state >> 122n;
    return ((value >> rotation) | (value << (64n - rotation))) & MASK64;
  }

  /** An integer in [0, bound), bound at most 2^32 (Lemire 2019): what `integers(0, bound)` gives one at a time. */
  integer(bound: number): number {
    const range = BigInt(bound);
    const threshold = (1n << 32n) % range;
    let product = this.next32() * range;
    while ((product & MASK32) < threshold) product = this.next32() * range;
    return Number(product >> 32n);
  }

  /** A uniform number in [0, 1) with 53 bits, as `random()`. */
  uniform(): number {
    return Number(this.next64() >> 11n) / 2 ** 53;
  }

  private next32(): bigint {
    const kept = this.half;
    this.half = undefined;
    if (kept !== undefined) return kept;
    const value = this.next64();
    this.half = value >> 32n;
    return value & MASK32;
  }

  private advance(): void {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }
}
