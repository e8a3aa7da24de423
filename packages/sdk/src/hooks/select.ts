/** Which activations a caller means: exact names, aliases, shorthands, globs, regular expressions, predicates and lists of them. */
import { TritlensError, unknownName } from "../core/errors.ts";
import { getActName, resolveAlias } from "../spec/index.ts";

/**
 * Names of activations: an exact name (or its TransformerLens version 4 alias, or a shorthand like `"k0"`), a glob (`blocks.*.attn.hook_z`; `*` stays
 * within a part, `**` does not), a RegExp, a predicate, or a list of these.
 */
export type NameFilter = string | RegExp | ((name: string) => boolean) | readonly NameFilter[];

/**
 * The indices of the sites that a filter matches, in firing order.
 *
 * @param kind - What the names are, for errors.
 * @param quiet - Names (by index) that a glob, an expression or a predicate means only when it matches no other one.
 * @throws E_NAME with the nearest names when a filter matches nothing: a hook that silently does nothing is the worst kind.
 */
export function selectSites(filter: NameFilter, names: readonly string[], kind = "hook", quiet: (index: number) => boolean = () => false): number[] {
  if (!Array.isArray(filter)) return selectOne(filter as OneFilter, names, kind, quiet);
  const chosen = new Set((filter as readonly NameFilter[]).flatMap((part) => selectSites(part, names, kind, quiet)));
  return [...chosen].sort((a, b) => a - b);
}

type OneFilter = Exclude<NameFilter, readonly NameFilter[]>;
type Quiet = (index: number) => boolean;

function selectOne(filter: OneFilter, names: readonly string[], kind: string, quiet: Quiet): number[] {
  if (typeof filter === "string") return filter.includes("*") ? matching(globTest(filter), names, kind, quiet, filter) : [exact(filter, names, kind)];
  if (typeof filter === "function") return matching(filter, names, kind, quiet);
  // A copy without `g` and `y`: those make `test` remember where it stopped.
  const regex = filter.global || filter.sticky ? new RegExp(filter.source, filter.flags.replace(/[gy]/g, "")) : filter;
  return matching((name) => regex.test(name), names, kind, quiet, String(filter));
}

function matching(test: (name: string) => boolean, names: readonly string[], kind: string, quiet: Quiet, what?: string): number[] {
  const found: number[] = [];
  for (let i = 0; i < names.length; i++) if (test(names[i] as string)) found.push(i);
  const loud = found.filter((i) => !quiet(i));
  if (loud.length > 0) return loud;
  if (found.length > 0) return found;
  if (what !== undefined) throw unknownName(kind, what, names);
  throw new TritlensError("E_NAME", `the predicate matches no ${kind}`, { expected: `at least one of ${names.length} names`, found: "none" });
}

function exact(name: string, names: readonly string[], kind: string): number {
  const site = names.indexOf(canonicalName(name, (n) => names.includes(n)));
  if (site >= 0) return site;
  throw unknownName(kind, name, names);
}

/** The canonical name behind an alias or shorthand; the name itself when there is none. */
export function canonicalName(name: string, has: (name: string) => boolean): string {
  if (has(name)) return name;
  const short = getActName(name);
  return has(short) ? short : (resolveAlias(name, has) ?? name);
}

function globTest(glob: string): (name: string) => boolean {
  const source = glob
    .split("**")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^.]*"))
    .join(".*");
  const regex = new RegExp(`^${source}$`);
  return (name) => regex.test(name);
}
