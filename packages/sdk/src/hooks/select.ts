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
 * @throws E_NAME with the nearest names when a filter matches nothing: a hook that silently does nothing is the worst kind.
 */
export function selectSites(filter: NameFilter, names: readonly string[]): number[] {
  const chosen = new Set<number>();
  for (const part of Array.isArray(filter) ? (filter as readonly NameFilter[]) : [filter as NameFilter]) {
    for (const site of Array.isArray(part) ? selectSites(part, names) : selectOne(part as Exclude<NameFilter, readonly NameFilter[]>, names))
      chosen.add(site);
  }
  return [...chosen].sort((a, b) => a - b);
}

function selectOne(filter: string | RegExp | ((name: string) => boolean), names: readonly string[]): number[] {
  if (typeof filter === "string") return filter.includes("*") ? matching(globTest(filter), names, filter) : [exact(filter, names)];
  if (filter instanceof RegExp) return matching((name) => name.search(filter) >= 0, names, String(filter));
  return matching(filter, names, "a predicate");
}

function matching(test: (name: string) => boolean, names: readonly string[], what: string): number[] {
  const found = names.flatMap((name, i) => (test(name) ? [i] : []));
  if (found.length > 0) return found;
  if (what === "a predicate")
    throw new TritlensError("E_NAME", "the predicate matches no hook", { expected: `at least one of ${names.length} hooks`, found: "none" });
  throw unknownName("hook", what, names);
}

function exact(name: string, names: readonly string[]): number {
  const site = names.indexOf(canonicalName(name, (n) => names.includes(n)));
  if (site >= 0) return site;
  throw unknownName("hook", name, names);
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
