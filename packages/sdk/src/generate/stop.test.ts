import fc from "fast-check";
import { expect, it } from "vitest";
import { StopText } from "./stop.ts";

it("finds stop texts across pieces, and passes everything else on", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(text, stops, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), (whole, wanted, sizes) => {
      const filter = new StopText(wanted);
      let [out, at, found, i] = ["", 0, false, 0];
      while (at < whole.length && !found) {
        const size = sizes[i++ % sizes.length] as number;
        const step = filter.push(whole.slice(at, at + size));
        out += step.text;
        found = step.found;
        at += size;
      }
      if (!found) out += filter.end();
      // A stop text counts as soon as it is complete, so only what has come by then is searched.
      const come = whole.slice(0, at);
      const places = wanted.map((stop) => come.indexOf(stop)).filter((p) => p >= 0);
      expect(found).toBe(places.length > 0);
      expect(out).toBe(found ? come.slice(0, Math.min(...places)) : whole);
    }),
  );
});
