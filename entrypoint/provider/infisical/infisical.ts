/** Infisical over its HTTP API: one login, one list call a folder. https://infisical.com/docs/api-reference */
import pMap from "p-map";
import type { SecretRef } from "../../config/address.ts";
import { SallyportError } from "../../errors.ts";
import { Secret } from "../../secret.ts";
import { pick } from "../payload.ts";
import type {
  ProviderContext,
  RefProblem,
  SecretProvider,
  SecretRead,
  SecretSet,
} from "../secret-provider.ts";
import type { Folder } from "./answers.ts";
import { type InfisicalApi, openApi, type Project } from "./api.ts";

const FOLDERS_AT_ONCE = 8;

/** @param environment the environment's slug in Infisical */
export function openInfisical(environment: string, context: ProviderContext): SecretProvider {
  const value = (name: string) => context.bootstrap.get(name)?.reveal() as string;
  const base = parseBase(value("INFISICAL_URL"));
  const project: Project = { id: value("INFISICAL_PROJECT_ID"), environment };
  const login = { clientId: value("INFISICAL_CLIENT_ID"), clientSecret: value("INFISICAL_CLIENT_SECRET") };
  const title = `Infisical at ${base.host}`;
  const api = openApi({ base, project, login, title, ...context });
  return {
    title,
    identify: async (signal) => {
      await api.login(signal);
      return `universal auth in environment ${environment}`;
    },
    fetch: (refs, signal) => fetchFolders(refs, api, context, signal),
    close: () => {},
  };
}

/** `https://eu.infisical.com`, with or without `/api` and slashes at the end. */
function parseBase(text: string): URL {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.search) {
    url.pathname = `${url.pathname.replace(/\/+(api\/*)?$/, "")}/`;
    return url;
  }
  throw new SallyportError("BOOTSTRAP_INVALID", "INFISICAL_URL is not an http(s) address", {
    hint: "Write the address of the instance alone, for example https://eu.infisical.com.",
  });
}

async function fetchFolders(
  refs: readonly SecretRef[],
  api: InfisicalApi,
  { log }: ProviderContext,
  signal: AbortSignal,
): Promise<SecretSet> {
  const before = api.requests();
  const wanted = refs.map((ref) => ({ ref, ...locate(ref) }));
  const reads = new Map<string, SecretRead>();
  const pinned = wanted.filter(({ ref }) => ref.version);
  const paths = [...new Set(wanted.filter(({ ref }) => !ref.version).map(({ path }) => path))];

  const list = async (path: string) => {
    const folder = await api.listFolder(path, signal);
    if ("secrets" in folder) {
      for (const name of folder.collisions) {
        log("warn", "import.collided", `${name} comes from several imports of ${path}; the last one counts`, {
          name,
          path,
        });
      }
    }
    return [path, folder] as const;
  };
  const folders = new Map(await pMap(paths, list, { concurrency: FOLDERS_AT_ONCE }));
  const versions = new Map(
    await pMap(
      pinned,
      async ({ ref, path, name }) =>
        [ref, await api.getVersion(path, name, ref.version as string, signal)] as const,
      { concurrency: FOLDERS_AT_ONCE },
    ),
  );

  const answers = wanted.map(({ ref, path, name, key }) => {
    const folder = versions.get(ref) ?? (folders.get(path) as Folder | RefProblem);
    const answer = answerFrom(folder, path, name, key);
    const source = join(path, name);
    if (answer instanceof Secret)
      reads.set(`${source}@${answer.version}`, {
        name: source,
        version: answer.version,
        ms: "ms" in folder ? folder.ms : 0,
      });
    return [ref, answer] as const;
  });
  return { answers: new Map(answers), reads: [...reads.values()], requests: api.requests() - before };
}

/** In Infisical a folder holds secrets by name, so an address names one whole; a `key` looks into its value. */
function locate(ref: SecretRef): { path: string; name: string; key: string | undefined } {
  if (ref.kind === "address") return { path: `/${ref.folder}`, name: ref.name, key: undefined };
  const slash = ref.id.lastIndexOf("/");
  return { path: `/${ref.id.slice(0, Math.max(slash, 0))}`, name: ref.id.slice(slash + 1), key: ref.key };
}

function answerFrom(
  folder: Folder | RefProblem,
  path: string,
  name: string,
  key: string | undefined,
): Secret | RefProblem {
  if (!("secrets" in folder)) return folder;
  const found = folder.secrets.get(name);
  if (!found) return { kind: "missing", message: `no secret '${name}' in folder ${path}` };
  if (found.hidden) {
    return {
      kind: "denied",
      message: `the identity may list ${join(path, name)}, but not read its value (secrets: Read Value)`,
    };
  }
  return pick({ content: found.value, version: found.version }, join(path, name), key);
}

function join(path: string, name: string): string {
  return `${path === "/" ? "" : path}/${name}`;
}
