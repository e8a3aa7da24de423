/** placeholder until the binding's surface is known */
import type { Core } from "./core.ts";
export type NativeBinding = Record<string, unknown>;
export function nativeCore(binding: NativeBinding): Core {
  return binding as unknown as Core;
}
