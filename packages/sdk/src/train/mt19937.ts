/**
 * The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) with the seedings of PyTorch and of Python's `random`. It exists to reproduce the papers'
 * train/test splits exactly; everything else uses the core's counter-based generator.
 */

const N = 624;
const M = 397;

/** A generator of 32-bit words. */
export class Mt19937 {
  readonly #state: Uint32Array = new Uint32Array(N);
  #at = N;

  /** `torch.manual_seed(seed)` on the CPU: the reference's init_genrand with the low 32 bits. */
  static fromSeed(seed: number): Mt19937 {
    const mt = new Mt19937();
    mt.#initGenrand(seed >>> 0);
    return mt;
  }

  /** Python's `random.seed(seed)` for a non-negative integer: init_by_array with the seed's 32-bit words, low first. */
  static fromPythonSeed(seed: number): Mt19937 {
    const key = [seed >>> 0];
    if (seed >= 2 ** 32) key.push(Math.floor(seed / 2 ** 32));
    const mt = new Mt19937();
    mt.#initByArray(key);
    return mt;
  }

  /** The next word, in [0, 2^32). */
  u32(): number {
    if (this.#at === N) this.#twist();
    let y = this.#state[this.#at++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #initGenrand(seed: number): void {
    const s = this.#state;
    s[0] = seed;
    for (let i = 1; i < N; i++) s[i] = Math.imul(1812433253, mixed(s[i - 1] as number)) + i;
    this.#at = N;
  }

  #initByArray(key: readonly number[]): void {
    this.#initGenrand(19650218);
    const s = this.#state;
    let [i, j] = [1, 0];
    const advance = (): void => {
      if (++i < N) return;
      s[0] = s[N - 1] as number;
      i = 1;
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      s[i] = ((s[i] as number) ^ Math.imul(mixed(s[i - 1] as number), 1664525)) + (key[j] as number) + j;
      j = (j + 1) % key.length;
      advance();
    }
    for (let k = N - 1; k > 0; k--) {
      s[i] = ((s[i] as number) ^ Math.imul(mixed(s[i - 1] as number), 1566083941)) - i;
      advance();
    }
    s[0] = 0x80000000;
  }

  #twist(): void {
    const s = this.#state;
    for (let i = 0; i < N; i++) {
      const y = ((s[i] as number) & 0x80000000) | ((s[(i + 1) % N] as number) & 0x7fffffff);
      s[i] = (s[(i + M) % N] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }
}

function mixed(word: number): number {
  return word ^ (word >>> 30);
}

/** `torch.randperm(n)` after `torch.manual_seed(seed)`, for n below 2^32. */
export function torchPermutation(n: number, seed: number): Int32Array {
  const mt = Mt19937.fromSeed(seed);
  const r = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) swap(r, i, i + (mt.u32() % (n - i)));
  return r;
}

/** `random.seed(seed); random.shuffle(range(n))` of Python 3. */
export function pythonShuffle(n: number, seed: number): Int32Array {
  const mt = Mt19937.fromPythonSeed(seed);
  const r = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) swap(r, i, randBelow(mt, i + 1));
  return r;
}

/** Python's `_randbelow`: draws as many bits as n has until the number is below n. */
function randBelow(mt: Mt19937, n: number): number {
  const shift = Math.clz32(n);
  for (;;) {
    const x = mt.u32() >>> shift;
    if (x < n) return x;
  }
}

function swap(r: Int32Array, i: number, j: number): void {
  const x = r[i] as number;
  r[i] = r[j] as number;
  r[j] = x;
}
