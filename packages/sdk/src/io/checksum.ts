/**
 * A checksum inside a safetensors file that covers all of the file: SHA-256 over every byte, with the checksum's own 64 digits read as zeros. Any
 * flipped bit, in the header or in the payload, is found.
 */
import { TritlensError } from "../core/errors.ts";

/** Key in `__metadata__`. */
export const CHECKSUM_KEY = "tritlens.sha256";

const PLACEHOLDER = "0".repeat(64);

/** The metadata entry to write before sealing. */
export function checksumPlaceholder(): [string, string] {
  return [CHECKSUM_KEY, PLACEHOLDER];
}

/** Writes the checksum into a file that was serialised with {@link checksumPlaceholder}. Changes `file` in place and returns it. */
export async function sealChecksum(file: Uint8Array): Promise<Uint8Array> {
  const at = findDigits(file);
  if (at === undefined)
    throw new TritlensError("E_FORMAT", "the file has no place for a checksum", { expected: `metadata "${CHECKSUM_KEY}"`, found: "nothing" });
  file.set(new TextEncoder().encode(await digest(file)), at);
  return file;
}

/**
 * Checks a sealed file.
 *
 * @throws E_CHECKPOINT when the checksum is missing or does not match.
 */
export async function verifyChecksum(file: Uint8Array): Promise<void> {
  const at = findDigits(file);
  if (at === undefined)
    throw new TritlensError("E_CHECKPOINT", "the checksum is missing", { expected: `metadata "${CHECKSUM_KEY}"`, found: "nothing" });
  const stored = new TextDecoder().decode(file.subarray(at, at + 64));
  const copy = new Uint8Array(file);
  copy.fill(0x30, at, at + 64);
  const found = await digest(copy);
  if (found !== stored) throw new TritlensError("E_CHECKPOINT", "the file is damaged: its checksum does not match", { expected: stored, found });
}

async function digest(file: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", file as Uint8Array<ArrayBuffer>));
  return Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Byte position of the 64 digits. The metadata stands first in the header, so only the beginning is searched. */
function findDigits(file: Uint8Array): number | undefined {
  const needle = new TextEncoder().encode(`"${CHECKSUM_KEY}":"`);
  const end = Math.min(file.byteLength - needle.length - 65, 1 << 20);
  for (let i = 8; i <= end; i++) {
    if (file[i] === 0x22 && needle.every((b, k) => file[i + k] === b)) return i + needle.length;
  }
  return undefined;
}
